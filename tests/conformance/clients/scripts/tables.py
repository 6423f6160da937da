"""datasets, pandas and pyarrow."""

import io

from session import equal, refused

ROWS = {"id": [1, 2, 3, 4], "text": ["one", "zwei", "три", "四"], "score": [0.5, 1.5, None, -2.0]}


def _dataset(rows=None):
    from datasets import Dataset

    return Dataset.from_dict(rows or ROWS)


def _other(number):
    """Rows of the same columns: datasets keeps the columns that a repo began with."""
    return {"id": [number], "text": [f"row {number}"], "score": [number / 2]}


def _files(s, files, **options):
    return s.repo(
        {path: content.encode() if isinstance(content, str) else content for path, content in files.items()},
        kind="dataset",
        **options,
    )


def push_to_hub(s):
    """datasets: push_to_hub, then load_dataset"""
    from datasets import load_dataset

    name = s.name()
    _dataset().push_to_hub(name)
    loaded = load_dataset(name, split="train")
    equal(loaded.to_dict(), ROWS)
    files = s.api.list_repo_files(name, repo_type="dataset")
    assert "data/train-00000-of-00001.parquet" in files, files
    card = s.download(name, "README.md", kind="dataset").decode()
    assert "dataset_info" in card, card


def push_several_splits(s):
    """datasets: push splits, configurations and shards"""
    from datasets import ClassLabel, DatasetDict, get_dataset_config_names, get_dataset_split_names, load_dataset

    name = s.name()
    labelled = _dataset({"id": list(range(100)), "label": [0, 1] * 50}).cast_column(
        "label", ClassLabel(names=["a", "b"])
    )
    DatasetDict({"train": labelled, "test": labelled.select(range(10))}).push_to_hub(
        name, num_shards={"train": 3, "test": 1}
    )
    _dataset().push_to_hub(name, config_name="words", split="validation", private=True)
    equal(sorted(get_dataset_config_names(name)), ["default", "words"])
    equal(sorted(get_dataset_split_names(name, "default")), ["test", "train"])
    loaded = load_dataset(name)
    equal((loaded["train"].num_rows, loaded["test"].num_rows), (100, 10))
    equal(loaded["train"].features["label"].names, ["a", "b"])
    equal(loaded["train"]["id"][:], list(range(100)))
    equal(load_dataset(name, "words", split="validation").to_dict(), ROWS)


def push_again(s):
    """datasets: push again replaces the rows"""
    from datasets import load_dataset

    name = s.name()
    _dataset().push_to_hub(name)
    first = s.api.dataset_info(name).sha
    _dataset(_other(9)).push_to_hub(name)
    equal(load_dataset(name, split="train").to_dict(), _other(9))
    equal(load_dataset(name, split="train", revision=first).to_dict(), ROWS)


def push_to_revision(s):
    """datasets: push to a branch and as a pull request"""
    from datasets import load_dataset

    name = s.name()
    _dataset().push_to_hub(name)
    _dataset(_other(7)).push_to_hub(name, revision="seven")
    equal(load_dataset(name, split="train", revision="seven").to_dict(), _other(7))
    done = _dataset(_other(8)).push_to_hub(name, create_pr=True)
    equal(load_dataset(name, split="train", revision=done.pr_revision).to_dict(), _other(8))
    equal(load_dataset(name, split="train").to_dict(), ROWS)


def load_files(s):
    """datasets: load CSV, JSON Lines, Parquet and text"""
    import pandas
    from datasets import load_dataset

    parquet = io.BytesIO()
    pandas.DataFrame({"a": [1, 2]}).to_parquet(parquet)
    files = {
        "csv/train.csv": "a,b\n1,x\n2,y\n",
        "json/train.jsonl": '{"a": 1}\n{"a": 2}\n',
        "parquet/train.parquet": parquet.getvalue(),
        "text/train.txt": "erste\nzweite\n",
    }
    name = _files(s, files)
    for folder in ("csv", "json", "parquet"):
        equal((folder, load_dataset(name, data_dir=folder, split="train")["a"][:]), (folder, [1, 2]))
    equal(load_dataset(name, data_files="text/*.txt", split="train")["text"][:], ["erste", "zweite"])
    equal(load_dataset("csv", data_files=f"hf://datasets/{name}/csv/train.csv", split="train")["b"][:], ["x", "y"])


def load_configured(s):
    """datasets: configurations from the card"""
    from datasets import load_dataset

    card = """---
configs:
- config_name: first
  data_files: [{split: train, path: "x/*.csv"}]
- config_name: second
  data_files: [{split: train, path: y.csv}, {split: test, path: z.csv}]
---
# Two
"""
    name = _files(
        s, {"README.md": card, "x/1.csv": "a\n1\n", "x/2.csv": "a\n2\n", "y.csv": "a\n3\n", "z.csv": "a\n4\n"}
    )
    equal(sorted(load_dataset(name, "first", split="train")["a"][:]), [1, 2])
    equal(load_dataset(name, "second", split="test")["a"][:], [4])


def stream(s):
    """datasets: streaming"""
    from datasets import load_dataset

    name = s.name()
    _dataset({"id": list(range(5000)), "text": [f"row {n}" for n in range(5000)]}).push_to_hub(name, num_shards=4)
    rows = load_dataset(name, split="train", streaming=True)
    equal([row["id"] for row in rows.take(3)], [0, 1, 2])
    equal([row["id"] for row in rows.skip(4990)], list(range(4990, 5000)))
    equal(sum(1 for _ in rows), 5000)
    csv = _files(s, {"train.csv": "a\n" + "\n".join(map(str, range(2000))) + "\n"})
    equal(sum(row["a"] for row in load_dataset(csv, split="train", streaming=True)), sum(range(2000)))


def dataset_is_private(s):
    """datasets: a private dataset is hidden"""
    from datasets import load_dataset
    from datasets.exceptions import DatasetNotFoundError

    name = s.name()
    _dataset().push_to_hub(name, private=True)
    for token in (s.token_other, False):  # first, or the cache of the owner answers
        with refused(DatasetNotFoundError):
            load_dataset(name, split="train", token=token)
    equal(load_dataset(name, split="train").num_rows, 4)
    with refused(DatasetNotFoundError):
        load_dataset(s.name(), split="train")


def builder(s):
    """datasets: describe without loading"""
    from datasets import load_dataset_builder

    name = s.name()
    _dataset().push_to_hub(name)
    info = load_dataset_builder(name).info
    equal(info.splits["train"].num_examples, 4)
    equal(sorted(info.features), ["id", "score", "text"])


def pandas_read(s):
    """pandas: read hf:// paths"""
    import pandas

    parquet = io.BytesIO()
    pandas.DataFrame(ROWS).to_parquet(parquet)
    name = _files(
        s, {"a.csv": "a,b\n1,x\n2,y\n", "b.parquet": parquet.getvalue(), "c.jsonl": '{"a": 5}\n'}, private=True
    )
    equal(pandas.read_csv(f"hf://datasets/{name}/a.csv")["b"].tolist(), ["x", "y"])
    equal(pandas.read_parquet(f"hf://datasets/{name}/b.parquet", columns=["text"])["text"].tolist(), ROWS["text"])
    equal(pandas.read_json(f"hf://datasets/{name}/c.jsonl", lines=True)["a"].tolist(), [5])
    equal(pandas.read_csv(f"hf://datasets/{name}@main/a.csv")["a"].tolist(), [1, 2])


def pandas_write(s):
    """pandas: write hf:// paths"""
    import pandas

    name = _files(s, {})
    frame = pandas.DataFrame({"a": [1, 2], "b": ["x", "y"]})
    frame.to_csv(f"hf://datasets/{name}/out.csv", index=False)
    frame.to_parquet(f"hf://datasets/{name}/sub/out.parquet")
    equal(s.download(name, "out.csv", kind="dataset"), b"a,b\n1,x\n2,y\n")
    assert pandas.read_parquet(f"hf://datasets/{name}/sub/out.parquet").equals(frame)


def pyarrow_read(s):
    """pyarrow: read columns and row groups"""
    import pyarrow
    import pyarrow.dataset
    import pyarrow.parquet
    from huggingface_hub import HfFileSystem

    table = pyarrow.table({"a": list(range(10_000)), "b": [str(n) for n in range(10_000)]})
    sink = io.BytesIO()
    pyarrow.parquet.write_table(table, sink, row_group_size=1000)
    name = _files(s, {"part/0.parquet": sink.getvalue(), "part/1.parquet": sink.getvalue()})
    path = f"datasets/{name}/part"
    with HfFileSystem().open(f"{path}/0.parquet") as handle:
        group = pyarrow.parquet.ParquetFile(handle).read_row_group(7, columns=["a"])
    equal(group["a"].to_pylist(), list(range(7000, 8000)))
    equal(pyarrow.dataset.dataset(path, filesystem=HfFileSystem(), format="parquet").count_rows(), 20_000)
