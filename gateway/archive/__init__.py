"""An embedded DICOMweb archive, to try things on and to test against (PS3.18)."""
