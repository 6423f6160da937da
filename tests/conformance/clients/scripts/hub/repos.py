"""Identity and the life of repos."""

from pathlib import Path

from huggingface_hub.errors import GatedRepoError, HfHubHTTPError, RepositoryNotFoundError
from session import NotOffered, equal, offered, refused


def whoami(s):
    """Who am I"""
    me = s.api.whoami()
    equal(me["name"], s.user)
    equal(me["type"], "user")
    assert s.organisation in [org["name"] for org in me["orgs"]], me["orgs"]
    equal(me["auth"]["accessToken"]["role"], "write")
    return {"token": me["auth"]["accessToken"]["displayName"]}


def bad_token(s):
    """A wrong token is refused"""
    with refused((HfHubHTTPError, OSError), status=401):
        type(s.api)(token="hf_" + "x" * 34).whoami()


def create_repo(s):
    """Create a repo"""
    name = s.name()
    url = s.api.create_repo(name)
    equal(url.repo_id, name)
    equal(str(url), f"{s.endpoint}/{name}")
    equal(s.api.list_repo_files(name), [".gitattributes"])
    with refused(HfHubHTTPError, status=409):
        s.api.create_repo(name)
    equal(s.api.create_repo(name, exist_ok=True).repo_id, name)
    commits = s.api.list_repo_commits(name)
    equal([(c.title, c.authors) for c in commits], [("initial commit", [s.user])])


def create_repo_for_organisation(s):
    """Create a repo of an organisation"""
    name = s.name(s.organisation)
    equal(s.api.create_repo(name).repo_id, name)
    equal(s.api.model_info(name).author, s.organisation)


def create_repo_elsewhere(s):
    """No repo in somebody else's namespace"""
    with refused(HfHubHTTPError, status=403):
        s.other.create_repo(s.name())


def create_dataset(s):
    """Create a dataset"""
    name = s.repo({"data.csv": b"a,b\n1,2\n"}, kind="dataset")
    info = s.api.dataset_info(name)
    equal(info.id, name)
    assert "data.csv" in [sibling.rfilename for sibling in info.siblings]
    equal(s.download(name, "data.csv", kind="dataset"), b"a,b\n1,2\n")


def create_space(s):
    """Create a space"""
    name = s.repo({"index.html": b"<h1>Hello</h1>"}, kind="space", space_sdk="static")
    info = s.api.space_info(name)
    equal((info.id, info.sdk), (name, "static"))
    equal(s.download(name, "index.html", kind="space"), b"<h1>Hello</h1>")


def create_kernel(s):
    """Create a kernel"""
    kernel_info = offered(s.api, "kernel_info")
    name = s.name()
    try:
        s.api.create_repo(name, repo_type="kernel")
        s.api.upload_file(path_or_fileobj=b"x = 1\n", path_in_repo="build/x.py", repo_id=name, repo_type="kernel")
    except ValueError as error:
        if "Invalid repo type, must be one of" not in str(error):
            raise
        raise NotOffered("kernels can be read, not made") from error
    equal(kernel_info(name).id, name)
    equal(s.download(name, "build/x.py", kind="kernel"), b"x = 1\n")


def private_repo(s):
    """A private repo is hidden from others"""
    name = s.repo({"secret.txt": b"secret"}, private=True)
    assert s.api.model_info(name).private is True
    equal(s.download(name, "secret.txt"), b"secret")
    for stranger in (s.other, s.anonymous):
        with refused(RepositoryNotFoundError):
            stranger.model_info(name)
        with refused(RepositoryNotFoundError):
            stranger.hf_hub_download(name, "secret.txt", cache_dir=s.folder / "stranger")
        with refused(RepositoryNotFoundError):
            stranger.list_repo_files(name)
        assert stranger.repo_exists(name) is False
        assert name not in [model.id for model in stranger.list_models(author=s.user)]
    assert name in [model.id for model in s.api.list_models(author=s.user)]


def visibility(s):
    """Change the visibility"""
    name = s.repo({"a.txt": b"a"})
    if hasattr(s.api, "update_repo_settings"):
        s.api.update_repo_settings(name, private=True)
    else:
        s.api.update_repo_visibility(name, private=True)
    with refused(RepositoryNotFoundError):
        s.other.model_info(name)
    s.api.update_repo_settings(name, private=False)
    assert s.other.model_info(name).private is False


def create_with_visibility(s):
    """Create with visibility="private\""""
    create = offered(s.api, "create_repo", "visibility")
    name = s.name()
    create(name, visibility="private")
    assert s.api.model_info(name).private is True


def gated_repo(s):
    """A gated repo asks for permission"""
    name = s.repo({"weights.txt": b"w"})
    offered(s.api, "update_repo_settings", "gated")(name, gated="manual")
    equal(s.other.model_info(name).gated, "manual")
    with refused(GatedRepoError):
        s.other.hf_hub_download(name, "weights.txt", cache_dir=s.folder / "stranger")
    s.api.grant_access(name, "bob")
    equal(Path(s.other.hf_hub_download(name, "weights.txt")).read_bytes(), b"w")


def move_repo(s):
    """Rename a repo; the old name still works"""
    old, new = s.repo({"a.txt": b"a"}, private=True), s.name()
    s.api.move_repo(old, new)
    equal(s.api.model_info(new).id, new)
    equal(s.api.model_info(old).id, new)
    equal(s.download(old, "a.txt"), b"a")
    s.api.upload_file(path_or_fileobj=b"b", path_in_repo="b.txt", repo_id=old)
    equal(s.download(new, "b.txt"), b"b")
    third = s.repo()
    with refused(HfHubHTTPError, "already exists"):
        s.api.move_repo(third, new)


def case_of_names(s):
    """Names are found whatever their case"""
    name = s.name().replace("case", "Case")
    s.api.create_repo(name)
    s.api.upload_file(path_or_fileobj=b"a", path_in_repo="a.txt", repo_id=name.lower())
    equal(s.api.model_info(name.lower()).id, name)


def delete_repo(s):
    """Delete a repo"""
    name = s.repo({"a.txt": b"a"})
    with refused(HfHubHTTPError, status=403):
        s.other.delete_repo(name)
    s.api.delete_repo(name)
    assert s.api.repo_exists(name) is False
    with refused(RepositoryNotFoundError):
        s.api.delete_repo(name)
    s.api.delete_repo(name, missing_ok=True)


def auth_check(s):
    """Ask for access"""
    name, public = s.repo(private=True), s.repo()
    s.api.auth_check(name)
    s.other.auth_check(public)
    for stranger in (s.other, s.anonymous):
        with refused(RepositoryNotFoundError):
            stranger.auth_check(name)


def auth_check_write(s):
    """Ask for access to write"""
    public = s.repo()
    offered(s.api, "auth_check", "write")(public, write=True)
    with refused(HfHubHTTPError):
        s.other.auth_check(public, write=True)


def duplicate_repo(s):
    """Duplicate a repo"""
    duplicate = offered(s.api, "duplicate_repo")
    source, target = s.repo({"a.txt": b"a", "w.bin": b"\0" * 2000}), s.name()
    duplicate(source, target)
    equal(s.download(target, "a.txt"), b"a")
    equal(s.download(target, "w.bin"), b"\0" * 2000)


def list_own_repos(s):
    """List one's own repos"""
    listing = offered(s.api, "list_user_repos")
    name = s.repo({"a.bin": b"\0" * 3000}, private=True)
    assert name in [repo.id for repo in listing()]


def user_overview(s):
    """Describe users and organisations"""
    name = s.repo()
    user = s.api.get_user_overview(s.user)
    equal(user.username, s.user)
    assert user.num_models >= 1, name
    equal(s.api.get_organization_overview(s.organisation).name, s.organisation)
    assert s.user in [member.username for member in s.api.list_organization_members(s.organisation)]
