"""YAML files read into models: every fault at its place, all of them at once."""
