"""The exercise: the NumPy backend without its mathematics, which is for you to write.

Every gap is a call of `todo`; what belongs there stands in the docstring above it, with the
equation and the paper. `nox -s exercise` shows how far you have come and what is next.

Change the files here, or copy the folder and climb with the copy; its imports are relative, so it
may have any name and stand anywhere:

    cp -r impls/exercise my_gpt
    nox -s exercise -- --solution my_gpt

nn.py      given: parameters, modules; yours: Linear, Embedding, LayerNorm, softmax, GELU
model.py   yours: attention, MLP, block, GPT, cross-entropy, and all their backwards
optim.py   given: SGD; yours: clipping, AdamW
step.py    given: one training step
generate.py  given: slow decoding; yours: choosing a token, and decoding with a cache
cache.py   yours: adding to it
trace.py   given: what the ladder sees of your forward
backend.py   given: the adapter to the protocol of shared/protocol.py
"""
