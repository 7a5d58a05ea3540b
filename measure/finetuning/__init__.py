"""How a pre-trained model is fine-tuned on a task and scored.

The modules of this room may import torch, transformers, datasets and evaluate at their top; everybody else imports
them when something is fine-tuned.
"""
