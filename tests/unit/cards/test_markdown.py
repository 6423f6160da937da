"""What a README commonly holds comes out as people expect."""

from __future__ import annotations

import pytest

from openshelf.analysis.cards.highlighting import highlight, language_of, pygments_css
from tests.unit.cards.hostile import rendered

REL = 'rel="nofollow noopener noreferrer"'


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ("[a](docs/b.md#c)", '<a href="/link/docs/b.md#c">a</a>'),
        ("[a](#Some-Part)", '<a href="#user-content-Some-Part">a</a>'),
        ("[a](https://x.example/y)", f'<a href="https://x.example/y" {REL}>a</a>'),
        ("[a](//x.example/y)", f'<a href="https://x.example/y" {REL}>a</a>'),
        ("https://x.example", f'<a href="https://x.example" {REL}>https://x.example</a>'),
        ("![cat](cat.png)", '<img src="/image/cat.png" alt="cat" loading="lazy">'),
        (
            "![cat](https://x.example/c.png)",
            f'<a class="external-image" title="Shown on another site" href="https://x.example/c.png" {REL}>cat</a>',
        ),
        ("![](https://x.example/c.png?a=1)", f'href="https://x.example/c.png?a=1" {REL}>c.png</a>'),
        ("[![CI](https://b.example/b.svg)](https://x.example)", f'<a href="https://x.example" {REL}>CI</a>'),
        ("![x](data:image/png;base64,AA)", "<p>x</p>"),
        ("# Hello *there*", '<h1 id="user-content-hello-there">Hello <em>there</em></h1>'),
        ("# a\n# a", '<h1 id="user-content-a-1">a</h1>'),
        ("# Größe & Maß", 'id="user-content-größe--maß"'),
        ('<h2 id="own">x</h2>', '<h2 id="user-content-own">x</h2>'),
        ('<a name="old"></a>', '<a id="user-content-old"></a>'),
        ("~~a~~", "<del>a</del>"),
        ("- [x] a", '<input type="checkbox" disabled="" checked="" aria-label="Done"> a'),
        ("$x<y$", '<math display="inline"><mrow><mi>x</mi><mo>&lt;</mo><mi>y</mi></mrow></math>'),
        ("$x_1_2$", '<span data-math="inline">x_1_2</span>'),
        ("```math\nx^2\n```", '<math display="block"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math>'),
        ("![a](clip.mp3)", '<audio src="/image/clip.mp3" controls="" preload="none" aria-label="a"></audio>'),
        (
            '<video autoplay><source src="a.mp4"><b>x</b></video>',
            '<video src="/image/a.mp4" controls="" preload="none"',
        ),
        ("> [!NOTE]\n> a", '<div class="markdown-alert markdown-alert-note">'),
        ("a[^1]\n\n[^1]: b", '<a id="user-content-fnref-1" href="#user-content-fn-1">1</a>'),
        ("<div align=center>a</div>", '<div align="center">a</div>'),
        ("<center>a</center>", '<div align="center">a</div>'),
        ("<p align='center'><img src=a.png width='50%' height=20px></p>", 'width="50%" height="20"'),
        ("<kbd>Ctrl</kbd> H<sub>2</sub>O<br>x<sup>2</sup>", "<kbd>Ctrl</kbd> H<sub>2</sub>O<br>x<sup>2</sup>"),
        ("<details><summary>a</summary>b</details>", "<details><summary>a</summary>b</details>"),
        ("<table><tr><td>1<td>2<tr><td>3</table>", "<td>1</td><td>2</td></tr><tr><td>3</td>"),
        ("<p dir=rtl>سلام</p>", '<p dir="rtl">سلام</p>'),
        ("```python\nx = 1\n```", '<pre class="highlight"><code class="language-python"><span class="hl-n">x</span>'),
        ("```nonesuch\na<b\n```", '<pre><code class="language-nonesuch">a&lt;b\n</code></pre>'),
        ("    a<b", "<pre><code>a&lt;b\n</code></pre>"),
    ],
)
def test_rendering(body: str, expected: str) -> None:
    assert expected in rendered(body)


def test_a_table_keeps_its_alignment() -> None:
    html = rendered("|a|b|\n|:-|-:|\n|1|2|")
    assert '<th align="left">a</th>' in html
    assert '<td align="right">2</td>' in html


def test_link_and_image_see_the_address_decoded_and_clean() -> None:
    assert 'href="/link/a b&amp;c.md"' in rendered('<a href=" a b&amp;c\n.md ">x</a>')


def test_each_line_of_a_file_is_closed_and_numbered() -> None:
    html = highlight('x = """a\nb"""\n', "src/a.py")
    first, second = html.removeprefix('<pre class="highlight"><code>').splitlines()[:2]
    assert first.startswith('<span class="line" id="L1"><a class="line-number" href="#L1" data-line="1"')
    assert second.count("<span") == second.count("</span>") == 2
    assert 'class="hl-' in second


@pytest.mark.parametrize("text", ["<script>", "x" * 5_000, "", "\n\n", "a\r\nb"])
@pytest.mark.parametrize("name", ["a.unknown", "a.py", "", "Dockerfile", "a.html"])
def test_a_file_is_escaped_in_every_case(text: str, name: str) -> None:
    html = highlight(text, name)
    assert "<script" not in html
    assert html.count('class="line"') == max(1, len(text.splitlines()))


def test_a_file_too_large_to_show_says_how_much_is_missing() -> None:
    assert "10 more characters are not shown" in highlight("x\n" * 1_000_005, "a.py")


def test_languages_are_told_by_the_name() -> None:
    assert language_of("a/b.PY") == "python"
    assert language_of("Dockerfile") == "docker"
    assert language_of("weights.bin") is None


def test_css_is_scoped_and_an_unknown_style_is_refused() -> None:
    assert all(rule.startswith(".dark .hl-") for rule in pygments_css("monokai", ".dark").splitlines())
    with pytest.raises(ValueError, match="no style"):
        pygments_css("nonesuch")
