"""The weight-export format: what a checkpoint holds, how it is written, and strict readers for
untrusted files."""
