"""DICOM: from files to stacked series, and segmentations back to DICOM SEG."""
