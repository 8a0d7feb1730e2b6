"""What a model computes: logits, attention weights, causality, loss, gradients, shapes."""
