"""Code on the pages: excerpts, columns side by side, and which of their lines belong together."""
