"""A gateway that turns files into DICOM objects and stores them over DICOMweb STOW-RS."""

__version__ = "0.1.0"
