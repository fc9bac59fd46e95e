"""The durable record of every file, its state and its outcome."""
