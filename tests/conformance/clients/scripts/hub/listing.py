"""Finding repos."""

import uuid

from session import equal


def _model(s, word, **front):
    lines = "\n".join(f"{key}: {value}" for key, value in front.items())
    name = f"{s.user}/{word}-{uuid.uuid4().hex[:6]}"
    s.api.create_repo(name)
    s.api.upload_file(path_or_fileobj=f"---\n{lines}\n---\n# {word}\n".encode(), path_in_repo="README.md", repo_id=name)
    return name


def list_models(s):
    """List models by author, search, filter and order"""
    word = "w" + uuid.uuid4().hex[:10]
    first = _model(s, word, license="mit", pipeline_tag="text-generation", library_name="transformers")
    second = _model(s, word, license="apache-2.0", pipeline_tag="fill-mask", tags=f"[{word}tag]")
    both = {first, second}
    assert both <= {m.id for m in s.api.list_models(author=s.user)}
    equal({m.id for m in s.api.list_models(search=word)}, both)
    equal({m.id for m in s.api.list_models(search=word.upper())}, both)
    equal({m.id for m in s.api.list_models(filter=f"{word}tag")}, {second})
    equal({m.id for m in s.api.list_models(search=word, filter=["license:mit", "transformers"])}, {first})
    equal({m.id for m in s.api.list_models(search=word, pipeline_tag="fill-mask")}, {second})
    equal({m.id for m in s.api.list_models(search=word, author="bob")}, set())
    created = {"direction": -1} if s.version < (1, 0) else {}
    equal([m.id for m in s.api.list_models(search=word, sort="createdAt", **created)], [second, first])
    equal([m.id for m in s.api.list_models(search=word, sort="lastModified", limit=1, **created)], [second])
    found = next(iter(s.api.list_models(search=word, filter="license:mit", full=True, cardData=True)))
    equal((found.card_data.license, found.author), ("mit", s.user))
    assert "README.md" in [sibling.rfilename for sibling in found.siblings]
    found = next(iter(s.api.list_models(search=word, filter="license:mit", expand=["downloads", "sha"])))
    equal((found.downloads, len(found.sha)), (0, 40))


def list_datasets(s):
    """List datasets"""
    word = "d" + uuid.uuid4().hex[:10]
    card = b"---\nlicense: mit\nlanguage: [fr]\ntask_categories: [translation]\n---\n# x\n"
    name = f"{s.user}/{word}"
    s.api.create_repo(name, repo_type="dataset")
    s.api.upload_file(path_or_fileobj=card, path_in_repo="README.md", repo_id=name, repo_type="dataset")
    for options in (
        {"search": word},
        {"author": s.user, "search": word},
        {"search": word, "language": "fr"},
        {"search": word, "task_categories": "translation"},
        {"search": word, "filter": "license:mit"},
    ):
        equal((options, [d.id for d in s.api.list_datasets(**options)]), (options, [name]))
    equal([d.id for d in s.api.list_datasets(search=word, language="de")], [])


def list_spaces(s):
    """List spaces"""
    name = s.repo({"README.md": b"---\ntitle: x\nsdk: static\n---\n"}, kind="space")
    assert name in [space.id for space in s.api.list_spaces(author=s.user)]
    equal([space.id for space in s.api.list_spaces(search=name.split("/")[1])], [name])


def list_pages(s):
    """List page by page"""
    word = "p" + uuid.uuid4().hex[:10]
    names = [f"{s.user}/{word}-{number}" for number in range(7)]
    for name in names:
        s.api.create_repo(name)
    equal({m.id for m in s.api.list_models(search=word, limit=5)} <= set(names), True)
    equal(len(list(s.api.list_models(search=word, limit=5))), 5)
    equal({m.id for m in s.api.list_models(search=word)}, set(names))
    from huggingface_hub.utils import get_session

    answer = get_session().get(f"{s.endpoint}/api/models", params={"search": word, "limit": 3})
    seen = [model["id"] for model in answer.json()]
    while "next" in answer.links:
        answer = get_session().get(answer.links["next"]["url"])
        seen += [model["id"] for model in answer.json()]
    equal((len(seen), set(seen)), (7, set(names)))
