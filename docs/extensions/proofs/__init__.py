"""What has been proven, on the pages: conformance figures, planted bugs, the kill matrix."""
