"""Where these mistakes were seen: public threads, each read, by the name of the mutant.

Some are the mutant to the letter, some a close relative; the line says which mistake it was there.
"""

from audits.mutants.mutant import Source

TABLE = """
position_ignores_cache: huggingface/transformers #15751
    two models counted positions without the cache's length: text went wrong with a cache
position_ignores_cache: Blaizzy/mlx-vlm #1983
    every token after the prompt got position 0
embedding_scaled: TensorAuto/OpenTau #179
    embeddings multiplied by √C although the embedding layer does it already
sin_cos_in_halves: allenai/allennlp #2993
    sines in the first half, cosines in the second: harmless unless weights come from elsewhere
sin_cos_in_halves: tensorflow/tensor2tensor #1925
    all sines, then all cosines, unlike the paper: harmless unless weights come from elsewhere
wavelengths_twice: Kyubyong/transformer #38
    2i in the exponent for every i, where i counts in steps of two already
wavelengths_twice: jadore801120/attention-is-all-you-need-pytorch #32
    2·i/d over all channels for 2·(i//2)/d
wavelengths_twice: SamLynnEvans/Transformer #25
    2·i in the exponent of a loop that steps by two, and another one for the cosine
embedding_grad_loses_repeats: HIPS/autograd #136
    += once lost repeated indices here; the request to use it again for speed recalls it
embedding_grad_loses_repeats: pymc-devs/pytensor #2242
    x[ids] += y wrote a row once: embeddings got wrong gradients on one of several backends
padding_id_not_trained: ibalazevic/TuckER #17
    padding_idx=0 where id 0 is a relation like any other: it never trained
layer_norm_eps: mindspore-lab/mindone #225
    1e-7, another library's default, where 1e-5 is meant: outputs were up to 700 % off
layer_norm_eps: huggingface/candle #271
    1e-5 and 1e-6 confused: a port's logits did not line up
layer_norm_eps_fixed: huggingface/transformers #585
    1e-12 in the code, where another model of the same kind needs 1e-5
variance_n_minus_1: harvardnlp/annotated-transformer #119
    LayerNorm built on Tensor.std, which divides by n − 1
variance_n_minus_1: facebookresearch/stopes #25
    torch.std with its default correction beside LayerNorm's own variance
last_norm_forgotten: NVIDIA-NeMo/Speech #2197
    pre-norm encoders and decoders without the norm at their end
last_norm_forgotten: vllm-project/speculators #313
    hidden states taken before the last norm, handed to the head as if behind it
post_for_pre: k2-fsa/snowfall #184
    the switch between pre- and post-norm never handed on to the layers
same_norm_twice: ml-explore/mlx #1636
    ln1 used again after the MLP, where ln2 is meant
swap_kv: tenstorrent/tt-mlir #8958
    a compiler's fused step for decoding took keys for values: word soup
no_scale: delzac/cntkx #10
    a library's scaled dot-product attention without its scale
no_scale: huggingface/blog #2893
    the code of an article left out the 1/√d that the formula above it has
mask_wrong_axis: pytorch/examples #649
    the mask of a language model flipped: −∞ on the past, nothing on the future
mask_ignores_cache: pytorch/pytorch #103082
    is_causal puts its triangle top left: with cached keys a new query sees the first alone
mask_ignores_cache: pytorch/pytorch #144858
    is_causal with a single query and a cache compares against the earliest key alone
no_mask: facebookresearch/xformers #103
    an attention asked to be causal skipped its mask when no other mask was passed
mask_with_zero: hyunwoongko/transformer #10
    masked scores filled with −e, a small number, where −∞ is meant
softmax_wrong_axis: labmlai/annotated_deep_learning_paper_implementations #146
    softmax over the queries in a U-Net's attention; its images came out as good
softmax_wrong_axis: PetrochukM/PyTorch-NLP #2
    softmax over the first dimension: with a batch of 1 every weight was 1
no_max_subtraction: deeplearning4j/deeplearning4j #6039
    a rewritten softmax took exp of the raw input: NaN for large ones
heads_not_transposed: jsbaan/transformer-from-scratch #6
    heads merged without a permute; the copy task it was tested on was too easy to show it
heads_not_transposed: hackiey/QAnet-pytorch #2
    heads merged without a permute; with one head the results did not change
heads_split_without_transpose: reczoo/FuxiCTR #30
    heads split by a view alone, copied from a blog into three models
heads_interleaved: NVIDIA-NeMo/RL #2802
    q, k and v fused one behind the other, and read as interleaved by groups of heads
residual_left_out: kyegomez/BitNet #32
    x, _ = attn(x); x = x + x: the stream was overwritten before it was added
residual_from_normalised: pytorch/pytorch #61165
    nn.TransformerEncoderLayer(norm_first=True), as first merged, added to the normalised stream
residual_from_normalised: Howuhh/faster-trajectory-transformer #3
    norm_x + attn(norm_x) for x + attn(norm(x))
erf_for_tanh: kyutai-labs/pocket-tts #278
    inference with the exact GELU for weights trained under the tanh one
erf_for_tanh: karpathy/nanoGPT #274
    GPT-2's own GELU replaced by nn.GELU with its default, the exact one
erf_for_tanh: google/gemma_pytorch #33
    one model, two implementations: the exact GELU in PyTorch, the tanh one in JAX
tanh_for_erf: goodfire-ai/spd #624
    jax.nn.gelu with its default in a port of a model that has the exact GELU
tanh_for_erf: jax-ml/jax #4428
    the tanh GELU was the only one that jax had, and is its default since
sigmoid_gelu: mlfoundations/open_clip #771
    the reverse: weights trained under the quick GELU evaluated with the exact one
sigmoid_gelu: mindspore-lab/mindone #225
    the reverse, in a port: outputs 7 % off until it had the quick GELU too
targets_shifted: huggingface/transformers #562
    labels shifted in the example and shifted again in the model
targets_shifted: huggingface/transformers #46898
    a model that shifts its labels calls a loss that shifts them once more
log_of_softmax: zackchase/mxnet-the-straight-dope #3
    a network from scratch blew up at 98 %: a hand-written softmax under a logarithm
loss_ignores_id_0: huggingface/transformers #23530
    the end of a text doubles as padding: its targets left out, so it is never learned
loss_ignores_id_0: huggingface/trl #976
    the same in another library: fine-tuned models did not stop
eps_inside_root: CyberZHG/keras-radam #29
    ε under the root, so Adam's value of it means something else
eps_inside_root: FluxML/Flux.jl #448
    ε under the root in a library's Adam: as if it were 1e-4
no_bias_correction: ml-explore/mlx #1640
    Adam without bias correction could not memorise what torch's could
coupled_decay: anhquan0412/basic_model_scratch #2
    decay added to the gradient before Adam's averages
decay_without_lr: pytorch/pytorch #4429
    decay not multiplied by the learning rate, found in review
decay_on_biases: Lightning-AI/lit-llama #254
    every parameter decayed, norms and biases too
decay_on_biases: huggingface/transformers #4360
    the list of what not to decay named LayerNorms otherwise than the model does
clip_after: taesunwhang/UMS-ResSel #3
    clip_grad_norm_ called after optimizer.step
clip_after: jongwook/onsets-and-frames #24
    clipped after the step; gradients were below the bound, so nothing was seen
clip_per_tensor: huggingface/transformers #581
    BERT's optimizer clipped every tensor by itself, unlike the original
clip_per_tensor: keras-team/keras #13575
    clipnorm is the norm of each tensor, not of all together
schedule_off_by_one: facebookresearch/deit #145
    the schedule stepped with the epoch that is over: one epoch late
schedule_off_by_one: Lightning-AI/pytorch-lightning #4655
    after a resume the learning rate was an epoch behind
gradients_pile_up: karpathy/llm.c #548
    gradients cleared too late: the first step counted them twice, and C left PyTorch
step_not_restored: vllm-project/speculators #900
    a resumed schedule continued from the epoch's number instead of the step's
step_not_restored: victoresque/pytorch-template #68
    a resumed run builds its schedule from scratch
moments_not_restored: OpenNMT/OpenNMT-py #38
    a call after loading wiped the optimizer's state
moments_not_restored: KempnerInstitute/KempnerForge #115
    moments dropped silently: a fresh AdamW has no slots yet to load them into
state_aliased: pytorch/pytorch #196083
    an optimizer's state handed to another one: both went on in the same tensors
cache_not_cut: huggingface/transformers #37574
    a window's cache updated wrongly as soon as the window was full
temperature_after_softmax: google/gemma.cpp #981
    the temperature divided numbers that were normalised afterwards, and cancelled
top_p_drops_first: rasbt/reasoning-from-scratch #164
    the token that crosses p dropped: cumsum <= p
top_p_drops_first: Biohub/esm #360
    the nucleus always below p, as the crossing token was left out
last_of_padded_window: huggingface/transformers #14521
    with padding on the right the next token is read from behind the text
transposed_weight: AutoGPTQ/AutoGPTQ #139
    GPT-2's weights, stored the other way round from Linear's, not transposed
weights_aliased: mrdbourke/pytorch-deep-learning #1279
    a course said that from_numpy copies; its proof made another array
weights_aliased: pytorch/rl #3966
    load_state_dict kept the caller's tensors instead of copying them
weights_handed_out: pytorch/tutorials #188
    state_dict kept as the best weights: it changed on to those of the last epoch
weights_handed_out: WenjieDu/PyPOTS #667
    the best model's weights kept by reference went on training
float32_inside: jax-ml/jax #1333
    float64 asked for, float32 given
tokens_not_checked: EricLBuehler/mistral.rs #2347
    ids of clients unchecked: an error on the CPU, memory behind the table on a GPU
counts_lose_repeats: numpy/numpy #8866
    pairs counted by += in a table of 26 × 26: five repeated ones were lost
scale_by_c: karpathy/ng-video-lecture #6
    scores scaled by the number of channels coming in, not by the head's size
scale_by_c: FareedKhan-dev/train-llm-from-scratch #3
    1/√C in place of 1/√D in a from-scratch tutorial
scale_by_c: chelsea0x3b/dfdx #171
    multi-head attention divided by another number than √(C/H)
scale_by_c: jadore801120/attention-is-all-you-need-pytorch #42
    the divisor, called temper, was √d_model instead of √d_k
mask_minus_1e4: karpathy/minGPT #75
    loss near 0, useless text: GPT-2's scores had learned to lie below the mask's −10000
mask_minus_1e4: huggingface/transformers #17306
    −10000 in attention masks replaced, and what of it float16 can hold
fused_kernel_alone_masked: keras-team/keras #23038
    causal in the fused kernel only: with dropout, or with scores asked for, no mask was left
fast_variance: pytorch/pytorch #51102
    nn.LayerNorm itself, on inputs of mean 2000: variances of 30822 where 1 is due
fast_variance: microsoft/onnxruntime #21935
    the variance of equal numbers came out below zero, and its root NaN
fast_variance: patrick-kidger/equinox #314
    NaN in training from LayerNorm's variance, now clipped at zero
residual_from_block_input: strutive07/transformer-tensorflow2.0 #14
    the second sum took the block's input, as the first one does
bias_correction_inverted: karpathy/convnetjs #70
    moments multiplied by 1 − βᵗ instead of divided by it
epsilon_before_correction: tensorflow/tensorflow #9047
    ε added before v is corrected: in the first steps it weighs many times as much
top_k_keeps_ties: vllm-project/vllm #15478
    [1, 2, 2, 2, 3] with k = 3 kept four: seen in review
top_k_keeps_ties: vllm-project/vllm #50979
    two kernels, two rules for ties: the text depended on the size of the batch
temperature_twice: RL-Align/RL-Kernel #86
    divided once for all kernels and once more for one: tests at temperature 1 saw nothing
tie_lost_on_loading: pytorch/pytorch #188346
    load_state_dict(assign=True) gave each of two tied names a parameter of its own
tie_lost_on_loading: paiml/entrenar #314
    a tied table copied for the head: its two uses trained two copies
"""


def read(table: str) -> dict[str, tuple[Source, ...]]:
    """Two lines for each source: the mutant and the thread; indented, what was wrong there."""
    seen: dict[str, tuple[Source, ...]] = {}
    lines = table.strip("\n").splitlines()
    for where, what in zip(lines[::2], lines[1::2], strict=True):
        mutant, repository, thread = where.replace(":", "").split()
        seen[mutant] = (*seen.get(mutant, ()), Source(repository, thread, what.strip()))
    return seen


SEEN = read(TABLE)
