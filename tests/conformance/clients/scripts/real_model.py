"""The real model: sentence embeddings from the hub must equal those from the files it was pushed from."""

import os
from pathlib import Path

from session import equal

SENTENCES = ["A library where every book can be edited.", "Offene Modelle für alle.", "short", "word " * 400]


def _places(s):
    return Path(os.environ["OPENSHELF_TEST_MODEL_FOLDER"]), os.environ["OPENSHELF_TEST_MODEL"]


def embed_with_numpy(s):
    """The real model: tokenizer and configuration by transformers, arithmetic in NumPy"""
    import numpy
    from huggingface_hub import snapshot_download
    from transformers import AutoConfig, AutoTokenizer

    local, name = _places(s)
    found = []
    for source, folder in ((str(local), local), (name, Path(snapshot_download(name)))):
        config, tokenizer = AutoConfig.from_pretrained(source), AutoTokenizer.from_pretrained(source)
        found.append(numpy.stack([_embed(folder, config, tokenizer, sentence) for sentence in SENTENCES]))
    assert numpy.array_equal(found[0], found[1])
    norms = numpy.linalg.norm(found[0], axis=1)
    assert numpy.allclose(norms, 1), norms
    return {"shape": list(found[0].shape), "first": [float(value) for value in found[0][0][:4]]}


def _embed(folder, config, tokenizer, sentence):
    """BERT, mean pooling and normalisation, as 1_Pooling/config.json and modules.json say."""
    import numpy
    from safetensors.numpy import load_file

    weights = load_file(folder / "model.safetensors")
    tokens = tokenizer(sentence, truncation=True, max_length=256)["input_ids"]

    def linear(x, key):
        return x @ weights[f"{key}.weight"].T + weights[f"{key}.bias"]

    def normed(x, key):
        centred = x - x.mean(-1, keepdims=True)
        scaled = centred / numpy.sqrt((centred**2).mean(-1, keepdims=True) + config.layer_norm_eps)
        return scaled * weights[f"{key}.LayerNorm.weight"] + weights[f"{key}.LayerNorm.bias"]

    def heads(x):
        return x.reshape(len(tokens), config.num_attention_heads, -1).transpose(1, 0, 2)

    x = weights["embeddings.word_embeddings.weight"][tokens] + weights["embeddings.token_type_embeddings.weight"][0]
    x = normed(x + weights["embeddings.position_embeddings.weight"][: len(tokens)], "embeddings")
    for number in range(config.num_hidden_layers):
        layer = f"encoder.layer.{number}"
        query, key, value = (heads(linear(x, f"{layer}.attention.self.{part}")) for part in ("query", "key", "value"))
        scores = query @ key.transpose(0, 2, 1) / numpy.sqrt(query.shape[-1])
        shares = numpy.exp(scores - scores.max(-1, keepdims=True))
        seen = (shares / shares.sum(-1, keepdims=True)) @ value
        seen = seen.transpose(1, 0, 2).reshape(len(tokens), -1)
        x = normed(x + linear(seen, f"{layer}.attention.output.dense"), f"{layer}.attention.output")
        inner = linear(x, f"{layer}.intermediate.dense")
        inner = inner * 0.5 * (1 + _erf(inner / numpy.sqrt(2)))
        x = normed(x + linear(inner, f"{layer}.output.dense"), f"{layer}.output")
    mean = x.mean(0)
    return mean / numpy.linalg.norm(mean)


def _erf(x):
    """Abramowitz and Stegun 7.1.26: good to 1.5e-7."""
    import numpy

    t = 1 / (1 + 0.3275911 * numpy.abs(x))
    poly = t * (0.254829592 + t * (-0.284496736 + t * (1.421413741 + t * (-1.453152027 + t * 1.061405429))))
    return numpy.sign(x) * (1 - poly * numpy.exp(-x * x))


def embed_with_sentence_transformers(s):
    """The real model: sentence-transformers"""
    import numpy
    from sentence_transformers import SentenceTransformer

    local, name = _places(s)
    here = SentenceTransformer(str(local), device="cpu").encode(SENTENCES)
    there = SentenceTransformer(name, device="cpu").encode(SENTENCES)
    equal(here.shape, (len(SENTENCES), 384))
    assert numpy.array_equal(here, there), float(abs(here - there).max())
    return {"shape": list(here.shape), "first": [float(value) for value in here[0][:4]]}


def push_with_sentence_transformers(s):
    """sentence-transformers: push_to_hub"""
    import numpy
    from sentence_transformers import SentenceTransformer

    local, _ = _places(s)
    name = s.name()
    model = SentenceTransformer(str(local), device="cpu")
    model.push_to_hub(name)
    assert numpy.array_equal(SentenceTransformer(name, device="cpu").encode(SENTENCES), model.encode(SENTENCES))


def model_with_torch(s):
    """transformers: model push_to_hub, from_pretrained (torch)"""
    import torch
    from transformers import AutoModel, BertConfig, BertModel

    name = s.name()
    torch.manual_seed(1)
    config = BertConfig(
        vocab_size=100, hidden_size=32, num_hidden_layers=2, num_attention_heads=2, intermediate_size=64
    )
    model = BertModel(config).eval()
    model.push_to_hub(name, max_shard_size="50KB")
    assert "model.safetensors.index.json" in s.api.list_repo_files(name)
    loaded = AutoModel.from_pretrained(name).eval()
    tokens = torch.tensor([[1, 2, 3]])
    assert torch.equal(model(tokens).last_hidden_state, loaded(tokens).last_hidden_state)
