r"""Filters, cleaners and the tokenizer's functions of text, by their full names."""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Callable, Mapping
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np

from filters import gutenberg, html
from filters.broken import Broken
from filters.code import boilerplate, heuristics, languages, license, license_text, phrases, places
from filters.latex import arguments as latex_arguments
from filters.latex import cleaner as latex_cleaner
from filters.latex import encodings, expand, styles
from filters.latex import macros as latex_macros
from filters.latex import names as latex_names
from filters.latex import project as latex_project
from filters.latex import published as latex_published
from filters.latex import tokens as latex_tokens
from filters.web import (
    c4,
    fineweb,
    gopher,
    language,
    language_model_text,
    paragraphs,
    perplexity,
    personal_info,
    reference,
    sentences,
    visible,
    words,
)
from filters.wikitext import (
    behaviours,
    brackets,
    definitions,
    expander,
    expressions,
    functions,
    names,
    preprocessor,
    tags,
    templates,
)
from filters.wikitext import cleaner as wikitext_cleaner
from filters.wikitext import lines as wikitext_lines
from filters.wikitext.behaviours import dates, numbers, rounding, territories, units
from pipelines.dedup import citations, near, pairs, ranks
from pipelines.dedup import lines as dedup_lines
from pipelines.document import Document
from pipelines.readers import arxiv, book_encodings, epub, github_input, mediawiki, stack_exchange
from pipelines.readers import gutenberg as gutenberg_reader
from pipelines.readers.html_limits import too_intricate
from tests.hostile import models
from tests.hostile.targets import of_text
from tests.hostile.tokens import BOOK, CODE, MARKUP, NAMES, PATHS, PERSONAL, PROSE, SPDX, TEX, URLS, WIKI
from tokenizer import encode, training

ENGLISH = names.names_of("en")
LANGUAGES = names.LANGUAGES


def clean_code(text: str, mode: boilerplate.Mode = "corrected") -> str:
    """Clean a file; its length tells which language it is in."""
    return boilerplate.clean(text, PATHS[len(text) % len(PATHS)], mode)


def shown(html: str) -> str:
    """Return what is shown of a page that is not refused before."""
    prepared = visible.prepared(html)
    return "" if too_intricate(prepared) else "\n".join(visible.page(prepared)[1])


def clean_latex(source: str) -> str:
    for cleaned in (latex_cleaner.published([source, source]), latex_cleaner.clean(source, mode="published")):
        latex_cleaner.check(cleaned)
    cleaned = latex_cleaner.clean(source)
    latex_cleaner.check(cleaned)
    return cleaned.text


def project(source: str) -> None:
    """Take the parts between form feeds for a submission's files."""
    files = {f"{chr(97 + number)}.tex": part for number, part in enumerate(source.split("\f")[:20])}
    latex_project.find_main(files)
    latex_cleaner.merged([latex_cleaner.clean(flat) for _, flat in latex_project.papers(files)[:1]])
    latex_project.flatten(files, "a.tex")


def everywhere(function: Callable[[str, int], object], source: str) -> None:
    for position in sorted({0, min(1, len(source)), len(source) // 2, len(source)}):
        function(source, position)


def arguments(source: str) -> None:
    macro = latex_macros.make("x", "#1 and #2", ("", "", "]"))
    try:
        found = latex_macros.match_arguments(macro, source, 0)
    except latex_arguments.Incomplete:
        return
    if found:
        latex_macros.substitute(macro, found[0], 1_000_000)


def macros(source: str) -> None:
    latex_macros.alias("x", source or " ")
    latex_macros.substitute(latex_macros.make("x", source, ("", "")), [source], 1_000_000)


def signatures(source: str) -> None:
    """Read the text as a specification, and use the arguments that it lists on the text itself."""
    listed = latex_arguments.specification(source)
    for each in listed or (latex_arguments.STAR, latex_arguments.optional("", "(", ")"), latex_arguments.MANDATORY):
        try:
            latex_arguments.take(each, source, 0, final=False)
            latex_arguments.expect(source, 0, "ab")
            latex_arguments.delimited(source, 0, ". ", True)
        except latex_arguments.Incomplete:
            continue


def protected(source: str) -> str:
    kept = latex_tokens.protect(source)
    return latex_tokens.restore(kept.text, kept.kept, len(source) + 100)


def decoded(source: str) -> str:
    """Decode the text in an encoding that its length chooses."""
    codecs = ("utf-8", "utf-16", "latin-1", "utf-8-sig", "cp932", "gb18030", "koi8-r", "utf-16-le")
    raw = source.encode(codecs[len(source) % len(codecs)], "replace")
    latex_project.sources({"a.tex": raw, source: raw, f"{source}.eps": raw})
    latex_published.decode({"a.tex": raw, source: raw})
    encodings.declared(raw)
    encodings.is_text(raw)
    return encodings.decode(raw)


def pages(text: str) -> str:
    """Take a page through C4's chain, as its source does."""
    page = c4.page_text(text)
    c4.page_too_long(page)
    c4.packed(c4.line_keys(page))
    c4.firsts(page)
    c4.prose_lines(page)
    c4.after_deduplication(page)
    for line in text.split("\n"):
        c4.line_rule(line)
    reference.too_short(page)
    return c4.clean(page).text or ""


def lines(text: str, published: bool = False) -> str:
    """Take a page through CCNet's steps on paragraphs, as its source does."""
    body = paragraphs.body(text, remove_nul=not published, add_last_line=published)
    paragraphs.too_short(paragraphs.firsts(text, remove_nul=not published, add_last_line=published).characters)
    keys = paragraphs.keys(body)
    found = body.split("\n")
    paragraphs.unique(found, keys)
    paragraphs.nothing_left(paragraphs.kept(found, paragraphs.packed(keys)[:0].astype(int)))
    assert paragraphs.body_lines(text, remove_nul=not published, add_last_line=published) == found
    return body


def heuristics_of_words(text: str) -> None:
    """Ask what goes by words; no word is lost, and a text said twice has all of itself again."""
    found = words.words(text)
    assert "".join(found) == "".join(text.split()) or not text.isascii()
    gopher.quality(text, found), gopher.repetition(text, found), fineweb.quality(text, found)
    again, characters = words.repeated([*found, *found])
    assert again >= len(found) and characters >= sum(map(len, found))


def article(text: str) -> str:
    language = LANGUAGES[len(text) % len(LANGUAGES)]
    wikitext_cleaner.reason("0", None, text, language)
    return wikitext_cleaner.clean(text, language)


def quantities(text: str) -> None:
    """Format what a template is given as numbers and dates."""
    number, _, rest = text.partition("|")
    numbers.format_number(number, ENGLISH), numbers.decimal(number, ENGLISH)
    numbers.powers(rest), rounding.read(number, ENGLISH), units.find_unit(rest)
    dates.month(number, "fr"), dates.written(number, rest, number, LANGUAGES[len(text) % len(LANGUAGES)])


def conversions(text: str) -> None:
    """Convert what each line gives."""
    for line in text.split("\n"):
        templates.behave(f"convert|{line}", ENGLISH, "en")


def named_behaviours(text: str) -> None:
    """Look for the names of templates and of countries."""
    language = LANGUAGES[len(text) % len(LANGUAGES)]
    behaviours.find(templates.folded(text), language)
    territories.territory(text, language), territories.is_territory(text, language), territories.shown(text, language)


def own_templates(text: str) -> None:
    """Make a model of templates of a text, and expand calls of them and with it."""
    language = LANGUAGES[len(text) % len(LANGUAGES)]
    pages = {
        "A": text,
        "B": "#REDIRECT [[Template:A]]",
        "C": "{{a|" + text + "|x={{{1|}}}}}",
        "D": "{{{1}}}{{lc:" + text,
    }
    records = [definitions.record(f"Template:{name}", page, language) for name, page in pages.items()]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, definitions.FILE)
        definitions.write([one for one in records if one], path)
        made = definitions.Definitions(path, language)
    made.canonical(text)
    for call in ("A", "b", f"C|{text}", f"D|1={text}", text):
        found = made.expand(call, {"Convert": ""}.get)
        assert found is None or len(found) <= 2 * expander.MAX_CHARACTERS


def expression(text: str) -> None:
    try:
        expressions.value_of(text)
    except expressions.ExpressionError:
        return


def links(text: str) -> str:
    target, _, shown = text.partition("|")
    return brackets.link_text(target, shown or None, ENGLISH)


def book(text: str) -> str:
    gutenberg.header(text)
    return gutenberg.clean(text)


def source_file(text: str) -> None:
    path = text[:40]
    languages.language_of(path)
    languages.ending_of(path)
    places.standing(path)
    assert ranks.release(path) >= 0
    heuristics.reason(text, PATHS[len(text) % len(PATHS)])
    heuristics.letters_per_token_reason(text, len(text) // 3)
    assert heuristics.letters(text) <= heuristics.alphanumerics(text)


def measured(text: str) -> float:
    found = models.language_model().perplexity(text)
    cutoffs = perplexity.CCNET_CUTOFFS["en"]
    perplexity.outside(perplexity.bucket(found, cutoffs), found, cutoffs, ("head",))
    return found


def identified(text: str) -> Broken | None:
    label, score = models.identifier().identify(text)
    return language.reason(label, score, ["en"])


def personal(text: str) -> str:
    assert personal_info.mask(text) == personal_info.masked(text).text
    return personal_info.mask(text)


def addresses(url: str) -> None:
    c4.url_rank(url), c4.text_rank(url), c4.is_validation(url)
    reference.host(url)
    personal_info.host_of(url).encode("ascii", "replace")
    personal_info.Sites(["example.org"]).reason(url)


def shingled(text: str) -> None:
    """Take a document through what deduplication asks of its text alone, and compare it with its first half."""
    found, half = near.shingles(text), near.shingles(text[: len(text) // 2])
    assert (found[1:] > found[:-1]).all()
    assert near.shared_count(found, found) == len(found)
    assert near.jaccard(found, half) <= near.containment(half, found)
    document = Document(
        id=text, source="books", text=text, dump="d1", offset=0, timestamp=text, attributes={"path": text}
    )
    assert (near.distinct(near.in_order(text)) == found).all()
    assert (pairs.containment_keys(document, 4)[0][-1] == near.whole(found)).all()
    pairs.sampled_keys(document, 4)
    pairs.jaccard_keys(document, near.bands(0.8, 0.9, 16))
    dedup_lines.without(text, np.array([0], np.uint32), Counter())


def named(name: str) -> None:
    """Ask all readers what the name of a file says; those that must know refuse the name."""
    arxiv.month_of(name), arxiv.identifier(name)
    gutenberg_reader.book_of(name), github_input.told_by(name)
    for asked in (mediawiki.language_of, stack_exchange.site_of):
        try:
            stack_exchange.is_meta(asked(name))
        except ValueError as error:
            assert repr(name) in str(error)


def tokens(text: str) -> None:
    """Encode a text both ways, which agree, and back."""
    tokenizer = models.tokenizer()
    (ids,) = tokenizer.encode_batch([text], bos=False, eos=False)
    assert ids.tolist() == tokenizer.encode(text).tolist()
    assert not text or tokenizer.decode(ids).encode()


def published_page(text: str) -> str:
    return c4.page_text(text, remove_nul=False, lose_header_lines=True)


def published_latex(source: str) -> str:
    return latex_published.clean([source, source]).text


def encoded(text: str) -> None:
    for encoding in ("utf-8", "cp1251", "shift_jis"):
        book_encodings.encoding_of(text.encode(encoding, "replace"))
    with suppress(ValueError):
        book_encodings.stated(text)


def extensions(source: str) -> str:
    return tags.restore(*tags.strip_extensions(source))


# What each function is fed with, by the tokens of its format; "a.b" is the function b of filters/a.py.
FUNCTIONS: Mapping[tuple[str, ...], Mapping[str, Callable[[str], object]]] = {
    CODE: {
        "boilerplate.clean": clean_code,
        "boilerplate.head_comments": lambda text: boilerplate.head_comments(text, PATHS[len(text) % len(PATHS)]),
        "boilerplate.clean, published": partial(clean_code, mode="published"),
        "boilerplate_phrases.has_boilerplate": phrases.has_boilerplate,
        "boilerplate_phrases.editor_kind": phrases.editor_kind,
        "boilerplate_phrases.marks": lambda text: phrases.marks(text.split("\n")),
        "code.reason": source_file,
        "license_text.identify": license_text.identify,
        "license_text.offers_choice": license_text.offers_choice,
        "license_text.notice": license_text.notice,
        "tokenizer.encode, code": tokens,
    },
    PROSE: {
        "c4.clean": pages,
        "c4.page_text": c4.page_text,
        "c4.page_text, published": published_page,
        "c4.language": c4.language,
        "c4.BadWords.reason": lambda text: models.bad_words().reason(text),
        "dedup.near.shingles": shingled,
        "language.identify": identified,
        "gopher.repetition": heuristics_of_words,
        "language_model_text.normalise": language_model_text.normalise,
        "paragraphs.body": lines,
        "paragraphs.body, published": partial(lines, published=True),
        "paragraphs.normalise": paragraphs.normalise,
        "perplexity.perplexity": measured,
        "reference.features": reference.features,
        "reference.probability": lambda text: models.classifier().probability(text),
        "sentences.count": sentences.count,
        "tokenizer.encode": tokens,
        "tokenizer.without_surrogates": encode.without_surrogates,
        "tokenizer.lines_of": lambda text: list(training.lines_of([text], 40)),
    },
    PERSONAL: {"personal_info.mask": personal},
    NAMES: {"readers' names": named},
    URLS: {
        "c4.normalise_url": c4.normalise_url,
        "reference.normalise_url": reference.normalise_url,
        "reference.host": addresses,
        "citations.citation_keys": lambda text: citations.citation_keys(text.split())[0].tolist(),
    },
    SPDX: {"license.reason": license.reason, "license.stated": license.stated, "license.spelled": license.spelled},
    BOOK: {"gutenberg.clean": book, "book_encodings.encoding_of": encoded},
    MARKUP: {"html.to_text": html.to_text, "epub.page_text": epub.page_text, "visible.page": shown},
    TEX: {
        "latex.clean": clean_latex,
        "latex_expand.expand": lambda text: expand.expand(text).text,
        "latex_expand.expand, cases": lambda text: expand.expand(f"\\ifcase2 a\\or{text}\\or{text}\\fi").text,
        "latex_project.papers": project,
        "latex_encodings.decode": decoded,
        "latex_published.clean": published_latex,
        "latex_styles.definitions": styles.definitions,
        "latex_styles.is_known": styles.is_known,
        "latex_tokens.normalize": latex_tokens.normalize,
        "latex_tokens.protect": protected,
        "latex_tokens.letters_at": latex_tokens.letters_at,
        "latex_tokens.ordinary": latex_tokens.ordinary,
        "latex_tokens.coded": latex_tokens.coded,
        "latex_tokens.group_end": partial(everywhere, latex_tokens.group_end),
        "latex_macros.read_new": partial(everywhere, latex_macros.read_new),
        "latex_macros.read_def": partial(everywhere, latex_macros.read_def),
        "latex_macros.read_function": partial(everywhere, latex_macros.read_function),
        "latex_macros.read_variable": partial(everywhere, latex_macros.read_variable),
        "latex_macros.read_let": partial(everywhere, latex_macros.read_let),
        "latex_macros.read_operator": partial(everywhere, latex_macros.read_operator),
        "latex_macros.read_paired": partial(everywhere, latex_macros.read_paired),
        "latex_macros.read_paired_x": partial(everywhere, latex_macros.read_paired_x),
        "latex_macros.read_paired_xpp": partial(everywhere, latex_macros.read_paired_xpp),
        "latex_macros.read_new_x": partial(everywhere, latex_macros.read_new_x),
        "latex_macros.read_document_command": partial(everywhere, latex_macros.read_document_command),
        "latex_macros.read_document_environment": partial(everywhere, latex_macros.read_document_environment),
        "latex_macros.read_environment_x": partial(everywhere, latex_macros.read_environment_x),
        "latex_macros.read_environment": partial(everywhere, latex_macros.read_environment),
        "latex_arguments.specification": signatures,
        "latex_names.defined": lambda text: sorted(latex_names.defined(text)),
        "latex_names.families": latex_names.families,
        "latex_macros.read_body": partial(everywhere, latex_macros.read_body),
        "latex_macros.match_arguments": arguments,
        "latex_macros.substitute": macros,
    },
    WIKI: {
        "wikitext.clean": article,
        "wikitext.definitions": own_templates,
        "wikitext.preprocessor.parse": preprocessor.parse,
        "wikitext.functions.decoded": functions.decoded,
        "wikitext.functions.named": lambda text: functions.named(text, "uk"),
        "wikitext.expressions": expression,
        "wikitext.functions.has_error": functions.has_error,
        "wikitext.functions.is_numeric": functions.is_numeric,
        "wikitext.functions.equal": lambda text: functions.equal(*text.partition("|")[::2]),
        "wikitext.functions.is_default": lambda text: functions.is_default(text, "uk"),
        "wikitext.cited_urls": wikitext_cleaner.cited_urls,
        "wikitext_brackets.resolve": lambda text: brackets.resolve(text, ENGLISH, "sr"),
        "wikitext_brackets.link_text": links,
        "wikitext_brackets.table_text": brackets.table_text,
        "wikitext_lines.layout": lambda text: wikitext_lines.layout(text, ENGLISH),
        "wikitext_tags.strip_extensions": extensions,
        "wikitext_tags.strip_html": tags.strip_html,
        "wikitext_tags.decode_entities": tags.decode_entities,
        "wikitext_templates.behave": lambda text: templates.behave(text, ENGLISH, LANGUAGES[len(text) % 20]),
        "wikitext_templates.settle": lambda text: templates.settle(text, Counter()),
        "wikitext_templates.unknown": lambda text: templates.unknown(text, ENGLISH, "en"),
        "wikitext_behaviours, numbers": quantities,
        "wikitext_behaviours, conversions": conversions,
        "wikitext_behaviours, names": named_behaviours,
    },
}
SEEDS = {
    "latex.clean": r"""\documentclass{a}\newif\ifx \xtrue \newcommand{\y}[2][z]{#1 and #2}\def\u#1;{(#1)}
\newenvironment{e}[1]{<#1>}{</>}\def\v{\v\v}\begin{document}\section{A}\ifx\y[k]{l}\else no\fi \u v; % gone
\begin{e}{f} $a\_b$ \verb|%| \begingroup\def\y{inner}\y\endgroup \let\w\y \w{q} \ifnum 1<2 yes\fi\end{e} \v
\NewDocumentCommand\p{s O{d} m t+ d() G{g} e{^_}}{\IfBooleanTF{#1}{a}{b}#2\IfValueT{#5}{#5}}\p*[k]{l}+(m){n}^o \p{a}
\newcommandx\t[2][1=u]{#1#2}\t{a}\NewDocumentEnvironment{z}{m}{(#1}{)}\begin{z}{a}b\end{z}
\newenvironmentx{zz}[1][1=a]{#1}{}
\DeclarePairedDelimiter\pa||\pa*{a}\DeclarePairedDelimiterX\pb[1]{(}{)}{#1\delimsize a}
\DeclarePairedDelimiterXPP\pc[1]{a}(){b}{#1}
\makeatletter\def\q{\futurelet\r\s}\def\s{\ifx\r.\else.\null\fi\xspace}\emph{e.g}\q b \@ifstar{a}{b}\@ifnextchar.{c}{d}
\@for\i:=a,b\do{\expandafter\def\csname e\i\endcsname{\i}}\ea\@nameuse{eb}\foreach \i in {1,...,3}{\csdef{f\i}{g}}
\docsvlist{a,b}\AtBeginDocument{\y}\csname y\endcsname
\def\lo#1{\ifx\lo#1\else#1\expandafter\lo\fi}\lo abc\lo\makeatother
\newbool{bo}\newtoggle{to}\ifthenelse{\boolean{bo}\and\not\(1<2\)\or\equal{a}{\y}}{a}{b}
\ifboolexpr{bool {bo} or test {\ifblank{a}}}
{a}{b}\iftoggle{to}{a}{b}\ifdef\y{a}{b}\ifcsdef{y}{a}{b}\ifdefstring\y{a}{b}{c}
\ifnumcomp{1}{<}{2}{a}{b}\ifnumodd{3}{a}{b}\unless\ifx a b c\fi\ifdefined\of a\fi
\ifdefempty\y{a}{b}\ifstrempty{a}{b}{c}\ifstrequal{a}{b}{c}{d}\ifnumequal{1}{2}{a}{b}\ifcsname y\endcsname a\fi
\ifdefined\y\renewcommand{\y}{\ifx m\fi}\fi \y \let\u\undefined \bibliography{b}\end{document}""",
    "latex_project.papers": r"""\documentclass{a}\newcommand{\dir}{s}\newcommand{\inp}[1]{\input{#1}}
\def\input@path{{s/}}\includeonly{b}\begin{document}\input{b}\inp{c}\include{\dir/d}\import{s}{e}\subfile{f}
\input g \InputIfFileExists{h}{i}{j}
\IfFileExists{k}{l}{m}\foreach \x in {b,c}{\input{\x}}\end{document}"""
    + "\f\\documentclass{a}\\title{Paper title}\\begin{document}\\section{B} typeface \\input{\\jobname}\\end{document}"
    * 3,
    "wikitext_behaviours, conversions": """5|km|mi|round=5
2|and|5|km|mi|sigfig=3|sp=us
5|mm|in|frac=16
5|ft|2|in|m
1.85|m|ftin|abbr=off
1.5|e6km2
10|to|20|C|F
2e6|mi|km
1234|t|lb|-2
30|mpgus|L/100 km
5|wibble|km
x|y""",
    "wikitext.clean": """{{Infobox|a=1}}''A'' [[b|c]]<ref>{{cite web|url=http://a.org/|title=t}}</ref> {{val|3|u=km}}
{{xyzzy|words}} {{flag|FRA}} b
== D ==\n* {{lang|la|e}} {{date|2001|2|3}} <math>x^2</math>\n{| class="a"\n|-\n| f || g\n|}\n[[Category:h]]""",
}
TEXTS = {
    name: of_text(function, *format_tokens, seeds=[SEEDS[name]] if name in SEEDS else [])
    for format_tokens, functions in FUNCTIONS.items()
    for name, function in functions.items()
}

# Of all that returns text: what changes nothing when it is done again, and why the others may.
TWICE = (
    "boilerplate.clean",
    "c4.clean",
    "c4.page_text",
    "c4.page_text, published",
    "latex_tokens.normalize",
    "license.spelled",
    "personal_info.mask",
    "reference.features",
    "tokenizer.without_surrogates",
)
_MARKUP_AGAIN = "code, verbatim text and formulas that it leaves look like markup"
_OTHER_FORMAT = "it returns another format than it reads"
_STEP = "a step inside a cleaner, on text that the step before it made"
_PUBLISHED = "as published: "
ONCE = {
    "boilerplate.clean, published": _PUBLISHED + "the first comment that says copyright goes, then the next",
    "boilerplate.head_comments": _OTHER_FORMAT,
    "c4.normalise_url": _PUBLISHED + "one scheme, one www. and one query go at a time",
    "epub.page_text": _OTHER_FORMAT,
    "gutenberg.clean": "a book that quotes a header or a licence has one when its own is gone",
    "html.to_text": _OTHER_FORMAT,
    "language_model_text.normalise": _PUBLISHED + "white space goes before the characters between which it stands",
    "latex.clean": _MARKUP_AGAIN,
    "latex_expand.expand": _MARKUP_AGAIN,
    "latex_expand.expand, cases": _MARKUP_AGAIN,
    "latex_encodings.decode": _OTHER_FORMAT,
    "latex_published.clean": _PUBLISHED + "a comment goes, and what follows it may be another",
    "latex_styles.definitions": _STEP,
    "latex_tokens.coded": _STEP,
    "latex_tokens.letters_at": _STEP,
    "latex_tokens.ordinary": _STEP,
    "latex_tokens.protect": _STEP,
    "paragraphs.body": "the first line goes, which is the title",
    "paragraphs.body, published": "the first line goes, which is the title",
    "paragraphs.normalise": _PUBLISHED + "white space goes before the characters between which it stands",
    "reference.normalise_url": _OTHER_FORMAT,
    "visible.page": _OTHER_FORMAT,
    "wikitext.clean": _MARKUP_AGAIN,
    "wikitext.functions.decoded": _STEP,
    "wikitext_brackets.link_text": _STEP,
    "wikitext_brackets.resolve": _STEP,
    "wikitext_brackets.table_text": _STEP,
    "wikitext_lines.layout": _STEP,
    "wikitext_tags.decode_entities": "each reference is decoded once: &amp;lt; is &lt;",
    "wikitext_tags.strip_extensions": _STEP,
    "wikitext_tags.strip_html": _STEP,
    "wikitext_templates.behave": _OTHER_FORMAT,
    "wikitext_templates.settle": _STEP,
    "wikitext_templates.unknown": _OTHER_FORMAT,
}
