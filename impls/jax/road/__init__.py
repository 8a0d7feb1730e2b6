"""The road from counting pairs to the GPT, which uses none of this."""
