"""Templates of which a reader of prose sees nothing: notes, citations, requests for work, navigation, hidden keys.

Named here are those that stand in sentences with arguments that would read as text; any other template that stands
alone on its line leaves without being named. Maintenance templates that mark words keep the words (`marked`).
"""

from __future__ import annotations

import re

from filters.wikitext.behaviours.registry import Arguments, behaviour, family, gone

PROSE = re.compile(r"[^\W\d_]+[\s,;:'’\"«»()–-]+[^\W\d_]")
LETTER = re.compile(r"[^\W\d_]")
DATED = re.compile(r"(?:date|data|datum|дата|fecha|datum)?\W*(?:\w+ ){0,3}\d{4}\W*")

behaviour(
    # Notes and short citations.
    "refn|ref|rp|r|snf|note|nota|notetag|fn|fußnote|efn|efn-ua|efn-lr|ref label|note label|sfn|sfnp|sfnm|sfnref|sfnmp|"
    "page|page number|qref|refp|source|bnf|dnb|viaf|gnd|isbn|issn|doi|oclc|pmid|pmc|arxiv|bibcode|jstor|asin|lccn|hdl|"
    "s2cid|zbl|mr|odn|uwaga|kilde|kildene|bilješka|напомена|bilj|ref-en|ref-de|ref-fr|ref-ru|ref-es|ref-it|ref-uk|"
    "inflation-fn|inflation/fn|listref|refgroup|webarchive|wayback|cite|citation|literatur|internetquelle|"
    # Requests for work of which nothing but a mark is seen.
    "when|who|whom|which|by whom|where|why|how|according to whom|dubious|vague|better source|better source needed|"
    "page needed|failed verification|not in source|update inline|update after|self-published inline|dead link|"
    "unreliable source?|verify source|disambiguation needed|dn|full citation needed|specify|quantify|example needed|"
    "original research inline|pov statement|weasel inline|peacock inline|clarify|clarification needed|time fact|"
    "refimprove|more citations needed|unreferenced section|expand section|update|copy edit|cleanup|importance inline|"
    "non sequitur|undue weight inline|year needed|attribution needed|contradict-inline|elucidate|"
    "primary source inline|third-party inline|permanent dead link|cbignore|lien mort|toter link|как указать|когда|кто|"
    "где|какой|какие|уточнить|что|почему|чей|стиль|неоднозначность|wann|wer|wo|quand|qui|où|lequel|quoi|pourquoi|"
    # Navigation and hatnotes.
    "main|main article|see also|see|further|further information|details|about|for|hatnote|redirect|other uses|"
    "distinguish|portal|portal inline|commons|commonscat|commons category|commons-inline|commons category-inline|"
    "sister|wikisource|wikiquote|wiktionary|wikivoyage|wikispecies|wikinews|wikibooks|hauptartikel|siehe auch|"
    "vedi anche|ap|vt|véase también|artículo principal|article principal|article détaillé|article connexe|voir aussi|"
    "artigo principal|ver também|podrobně|viz též|hovedartikel|hlavní článek|bővebben|lásd még|zie hoofdartikel|"
    "zie ook|osobny artykuł|zobacz też|articol principal|vezi și|основная статья|см. также|див. також|головна стаття|"
    "основна|вж. също|glavni|glej tudi|главни чланак|види још|huvudartikel|se även|progetto|interprogetto|"
    # Hidden keys, anchors, layout.
    "anchor|ancre|ancora|anker|kotwica|якорь|якір|ancla|âncora|kotva|horgony|àncora|ankare|сидро|sidro|котва|hs|hsort|"
    "hidden sort key|sort key|dts key|dtsh|nts key|phantom|padding|0|invisible|pad|indent|gap|toc|toc left|toc right|"
    "tocright|tocleft|compacttoc|stack|stack begin|stack end|col-end|end|fin|fin colonnes|colfin|multicol-end|"
    "refbegin|refend|reflist|références|references|defaultsort|displaytitle|short description|lowercase title|"
    "italic title|use dmy dates|use mdy dates|use british english|use american english|good article|featured article|"
    "stub|authority control|coord missing|pp-semi|pp-move|protected|redirect-multi|infobox|navbox|taxobox|facebook|"
    "twitter|instagram|youtube|imdb|imdb name|imdb title|official website|website|url|mixcloud|myspace|inflation|"
    "inflation-year|iso date|currentyear|currentmonth|currentday|localyear|flag of|geobox|geodata|location map|"
    "maplink|mapframe|ose",
    en="api|data|datum|dato|no|c|enlace|aut|h|dr|pr|ta|t",
    fr="de|en|date heure|comment",
    ru="m.|ref|книга|статья|публикация|начало цитаты|конец цитаты|мёртвая ссылка|недоступная ссылка",
    uk="m.|cite web|недоступне посилання|джерело|коли|немає в джерелі|немає ад|значення|докладніше|уточнити|хто|де",
    es="c|nb|cita libro|cita web",
    de="citat|date|u|m.|st|ms|vers|ndb|adb|hls|commonscat|zukunft|veraltet",
    pl="r|r.|m.|b|u|vers|cytuj|odn",
    it="c|ms|cita libro|cita web|cita news|collegamento interrotto|w",
    pt="citar web|citar livro",
    sr="...|vers",
    cs="vjazyce|citace|u|b",
    hu="b|u|vers|cite book",
    sv="ill",
)(gone)

family(
    re.compile(
        r"(?:cite|citeer|citiranje|citar|cytuj|citace|citation|cita|cit|наведи|цитат|cite-)[ _-]?(?:web|book|news|"
        r"journal|magazine|press release|video|av media|thesis|conference|encyclopedia|report|episode|paper|libro|"
        r"pubblicazione|news|livro|periódico|jornal|knihy|monografie|periodika|elektronická monografie|weba|knjige|"
        r"časopisa|novina|уеб|книга|вест|pismo|książkę|stronę|iucn|arxiv|map|tweet|patent|court|comic|podcast|"
        r"interview|mailing list|testo|legge)"
    )
)(gone)
family(
    re.compile(
        r"(?:harv|sfn|efn|sfm).{0,8}|r/.{0,20}|.{1,30}[- ]stub|infobox.*|info/.*|taxobox.*|navbox.*|s-[a-z]{2,6}|"
        r"collegamenti esterni|.{1,40}(?: infobox| navbox| sidebar)|use .{2,20} (?:dates|english)|pp-.{1,20}|"
        r"#tag.*|#expr.*|#if.*|#switch.*|#invoke.*|#time.*|#property.*|#statements.*|template:.*|user:.*"
    )
)(gone)


@behaviour(
    "citation needed span|cns|fact span|chiarire|senza fonte|citazione necessaria|нет аи 2|cita requerida|"
    "referencia requerida|citació necessària|citation nécessaire|référence nécessaire|référence souhaitée|"
    "référence insuffisante|référence incomplète|refnec|refins|refsou|référence à confirmer|pas clair|"
    "passage évasif|passage non neutre|précision nécessaire|évasif|non chiaro|clarify span|awkward",
    it="cn",
)
def marked(a: Arguments) -> str:
    """it {{cn|Queste parole}}, ru {{нет АИ 2|слова|1 мая 2010}}: the words that are doubted, where there are any."""
    text = a.at(1) or a.get("text", "texte", "texto", "текст", "content")
    return text if LETTER.search(text) and not DATED.fullmatch(text) else ""


@behaviour(
    "citation needed|cn|fact|fakt|or|нет аи|carece de fontes|нет источника|källa behövs|kilde mangler|bron?|"
    "nedostaje izvor|forráskérő|necesită citare|navedi vir|чињеница|doplňte zdroj|belege fehlen|belege|източник?",
)
def marked_rarely(a: Arguments) -> str:
    """{{cn|These words are doubted.}}: the words, where it is no single word, which would be a reason or a date."""
    return marked(a) if PROSE.search(a.at(1)) else ""
