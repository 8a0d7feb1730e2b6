"""Running the model: in several processes, in mixed precision, recorded, profiled."""
