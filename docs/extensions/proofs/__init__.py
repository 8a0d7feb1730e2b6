"""Evidence on the pages: conformance figures, planted bugs, the kill matrix."""
