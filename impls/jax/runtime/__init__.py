"""How the model is run: in several processes, recorded, measured."""
