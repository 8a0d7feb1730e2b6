"""The road from counting pairs to attention. The GPT uses none of it."""
