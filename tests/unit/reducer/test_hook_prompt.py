"""The XML-like text of hook prompts (R37)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from worker.reducer.hook_prompt import fragments_of

WHOLE = '<hook hook_run_id="r">text</hook>'


def fragment(text: str) -> tuple[str, str] | None:
    found = fragments_of([text])
    return None if found is None else (found[0]["text"], found[0]["hookRunId"])


@pytest.mark.parametrize(
    ("text", "content", "run_id"),
    [
        (WHOLE, "text", "r"),
        # Surroundings
        (f" \u2003\u0085{WHOLE}\u00a0", "text", "r"),
        ("\ufeff" + WHOLE, "text", "r"),
        (f'<?xml version="1.0"?> <!-- a < b --> <!DOCTYPE h [<!ENTITY x "y">]>{WHOLE}', "text", "r"),
        (WHOLE + "</and> & <more", "text", "r"),
        # The root and its attributes
        ('<é:x.y hook_run_id="r">text</é:x.y>', "text", "r"),
        ("<h hook_run_id='r\"'>text</h >", "text", 'r"'),
        ('<h a="1"\n b=\'2\' hook_run_id = "r" >text</h>', "text", "r"),
        ('<h x:hook_run_id="r">text</h>', "text", "r"),
        ('<h hook_run_id=" r ">text</h>', "text", " r "),
        ('<h hook_run_id="&#x72;&amp;">text</h>', "text", "r&"),
        ('<h x:hook_run_id="1" hook_run_id="2">text</h>', "text", "1"),
        ('<h a=">" hook_run_id="r">text</h>', "text", "r"),
        # Text
        ('<h hook_run_id="r"> a\r\nb\rc\n</h>', " a\nb\nc\n", "r"),
        ('<h hook_run_id="r">a<![CDATA[<b>&amp;\r\n]]>c</h>', "a<b>&amp;\nc", "r"),
        ('<h hook_run_id="r">a<!-- b -->c<?d?>e</h>', "ace", "r"),
        ('<h hook_run_id="r">&lt;&gt;&amp;&quot;&apos;</h>', "<>&\"'", "r"),
        ('<h hook_run_id="r">&#65;&#x42;&#x1F600;&#13;</h>', "AB\U0001f600\r", "r"),
        ('<h hook_run_id="r">a > b ]]> c</h>', "a > b ]]> c", "r"),
        ('<h hook_run_id="r">\u00a0</h>', "\u00a0", "r"),
    ],
)
def test_a_fragment_is_its_roots_text_and_its_run(text: str, content: str, run_id: str) -> None:
    assert fragment(text) == (content, run_id)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "text",
        "text " + WHOLE,
        "<h>text</h>",
        "<h hook_run_id=''>text</h>",
        '<h hook_run_id=" \u2003">text</h>',
        "<h hook_run_id>text</h>",
        "<h hook_run_id=r>text</h>",
        '<h hook_run_id="r" a>text</h>',
        '<h hook_run_id="r" hook_run_id="r">text</h>',
        '<h a="1" a="2" hook_run_id="r">text</h>',
        '<h hook_run_id="&x;">text</h>',
        '<h hook_run_id="r"a="1">text</h>',
        '<h Hook_run_id="r">text</h>',
        '<h hook_run_id="r"/>',
        '<h hook_run_id="r"></h>',
        '<h hook_run_id="r"> \t\r\n</h>',
        '<h hook_run_id="r">text',
        '<h hook_run_id="r">text</i>',
        '<h hook_run_id="r">text< /h>',
        '<h hook_run_id="r">te<b>x</b>t</h>',
        '<h hook_run_id="r">te<b/>xt</h>',
        '<h hook_run_id="r">&nbsp;</h>',
        '<h hook_run_id="r">a & b</h>',
        '<h hook_run_id="r">a &amp b</h>',
        '<h hook_run_id="r">&#0;</h>',
        '<h hook_run_id="r">&#xD800;</h>',
        '<h hook_run_id="r">&#x110000;</h>',
        '<h hook_run_id="r">&#99999999999;</h>',
        '<h hook_run_id="r">&#x;</h>',
        '<h hook_run_id="r">&#6a;</h>',
        '<h hook_run_id="r">&#٣;</h>',
        '<h hook_run_id="r">a<!-- b</h>',
        '<h hook_run_id="r">a<![CDATA[b</h>',
        '< h hook_run_id="r">text</h>',
        '<=h hook_run_id="r">text</=h>',
        '<!-- a <h hook_run_id="r">text</h>',
    ],
)
def test_anything_else_is_no_hook_prompt(text: str) -> None:
    assert fragment(text) is None


def test_all_texts_must_be_fragments() -> None:
    texts: list[list[str | None]] = [[WHOLE, WHOLE], [WHOLE, "x"], [WHOLE, None], []]

    assert [fragments_of(each) for each in texts] == [[{"text": "text", "hookRunId": "r"}] * 2, None, None, None]


@given(st.text(alphabet="<>/!-?[]&;#x=\"' \nhCDATAook_run_id"))
def test_no_text_raises(text: str) -> None:
    found = [fragments_of([part]) for part in (text, f"<h {text}>{text}</h>", f'<h hook_run_id="r">{text}</h>')]

    assert all(one is None or len(one) == 1 for one in found)
