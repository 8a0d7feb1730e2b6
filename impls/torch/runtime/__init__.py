"""How the model is run: in several processes, in mixed precision, recorded, measured."""
