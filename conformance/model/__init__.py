"""The values of a model: logits, attention weights, causality, loss, gradients, shapes."""
