"""transformers without a tensor library: configurations, tokenizers, processors of text."""

from session import equal, noise, refused

WORDS = ["[UNK]", "[PAD]", "open", "shelf", "##s", "model"]


def _tokenizer():
    from tokenizers import Tokenizer, models, pre_tokenizers
    from transformers import PreTrainedTokenizerFast

    inner = Tokenizer(models.WordPiece({word: number for number, word in enumerate(WORDS)}, unk_token="[UNK]"))
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    return PreTrainedTokenizerFast(tokenizer_object=inner, unk_token="[UNK]", pad_token="[PAD]")


def config(s):
    """transformers: configuration push_to_hub, from_pretrained"""
    from transformers import AutoConfig, BertConfig

    name = s.name()
    BertConfig(hidden_size=32, num_hidden_layers=2).push_to_hub(name)
    loaded = AutoConfig.from_pretrained(name)
    equal((type(loaded).__name__, loaded.hidden_size), ("BertConfig", 32))


def config_revisions(s):
    """transformers: push to a branch, as a pull request, into a private repo"""
    from transformers import AutoConfig, BertConfig

    name = s.name()
    BertConfig(hidden_size=32).push_to_hub(name, private=True)
    BertConfig(hidden_size=64).push_to_hub(name, revision="wide")
    BertConfig(hidden_size=128).push_to_hub(name, create_pr=True)
    for revision, size in (("main", 32), ("wide", 64), ("refs/pr/1", 128)):
        equal((revision, AutoConfig.from_pretrained(name, revision=revision).hidden_size), (revision, size))
    with refused(OSError, "is not a local folder and is not a valid model identifier"):
        AutoConfig.from_pretrained(name, token=s.token_other, cache_dir=s.folder / "stranger")


def tokenizer(s):
    """transformers: tokenizer push_to_hub, from_pretrained"""
    from transformers import AutoTokenizer

    name = s.name()
    local = _tokenizer()
    local.chat_template = "{% for m in messages %}{{ m.content }}{% endfor %}"
    local.push_to_hub(name)
    loaded = AutoTokenizer.from_pretrained(name)
    equal(loaded("open shelfs model")["input_ids"], [2, 3, 4, 5])
    equal(loaded.chat_template, local.chat_template)


def generation_config(s):
    """transformers: generation configuration"""
    from transformers import GenerationConfig

    name = s.name()
    GenerationConfig(max_new_tokens=17).push_to_hub(name)
    equal(GenerationConfig.from_pretrained(name).max_new_tokens, 17)


def missing(s):
    """transformers: what is missing is said"""
    from transformers import AutoConfig, AutoTokenizer
    from transformers.utils import cached_file, has_file

    name = s.repo({"other.json": b"{}"})
    with refused(ValueError, "Should have a `model_type` key in its config.json"):
        AutoConfig.from_pretrained(name)
    with refused(OSError, "is not a local folder and is not a valid model identifier"):
        AutoTokenizer.from_pretrained(s.name())
    with refused(OSError, "is not a valid git identifier"):
        AutoConfig.from_pretrained(name, revision="nowhere")
    equal((has_file(name, "other.json"), has_file(name, "config.json")), (True, False))
    equal(cached_file(name, "config.json", _raise_exceptions_for_missing_entries=False), None)


def cached(s):
    """transformers: works offline from the cache"""
    import os
    import subprocess
    import sys

    from transformers import AutoTokenizer

    name = s.name()
    _tokenizer().push_to_hub(name)
    AutoTokenizer.from_pretrained(name)
    code = (
        f"from transformers import AutoTokenizer; print(AutoTokenizer.from_pretrained({name!r})('open')['input_ids'])"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        capture_output=True,
        text=True,
        check=True,
    )
    equal(done.stdout.strip(), "[2]")


def weights(s):
    """safetensors: weights pushed and read back"""
    import numpy
    from huggingface_hub import hf_hub_download
    from safetensors.numpy import load_file, save

    tensors = {f"layer.{n}": numpy.frombuffer(noise(400_000, n), dtype=numpy.uint8) for n in range(3)}
    name = s.repo({"model.safetensors": save(tensors, metadata={"format": "np"})})
    loaded = load_file(hf_hub_download(name, "model.safetensors"))
    equal(sorted(loaded), sorted(tensors))
    assert all(numpy.array_equal(loaded[key], tensors[key]) for key in tensors)
