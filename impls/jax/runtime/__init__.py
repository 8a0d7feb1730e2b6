"""Running the model: in several processes, recorded, profiled."""
