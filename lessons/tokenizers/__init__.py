"""Four tokenizers side by side: python -m lessons.tokenizers"""
