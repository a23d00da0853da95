"""One article of our own in each of the 20 languages, with that Wikipedia's own names, and the text a reader wants.

The names (files, categories, redirects, headings, templates) are written here by hand, not taken from
`filters.wikitext.names`, so that a name missing there is found.
"""

from __future__ import annotations

from dataclasses import dataclass

HERD = 3_597_092
"""The number that each article gives by `formatnum`."""


@dataclass(frozen=True)
class Article:
    """The parts of an article; `*_text` is what a part should read as, where it is not the part itself."""

    language: str
    redirect: str
    file: str
    category: str
    count: str  # a sentence with the number at {}, which is `number` when formatted
    number: str
    heading: str
    quantity: str
    quantity_text: str
    quotation: tuple[str, str]  # the template's name and what it quotes
    leaving: tuple[str, ...]  # headings under which there is no prose
    switch: str = "NOTOC"

    def wikitext(self) -> str:
        """Return the whole article."""
        template, quoted = self.quotation
        tails = "\n".join(
            f"== {heading} ==\n* [https://herd.example/{n} n{n}]" for n, heading in enumerate(self.leaving)
        )
        return (
            f"__{self.switch}__{{{{Infobox|a=1|b=[[x]]}}}}\n"
            f"[[{self.file}:Alpaca.jpg|thumb|left|200px|[[Alpaca]] ({{{{formatnum:7}}}})]]\n"
            f"'''Alpaca''' – {self.count.format(f'{{{{formatnum:{HERD}}}}}')}"
            f'<ref name="a">{{{{cite web|url=https://herd.example/a|title=A}}}}</ref><!-- ? -->\n\n'
            f"== {self.heading} ==\n{self.quantity}\n* ''Huacaya''\n* [[Suri (alpaca)|Suri]]\n"
            f"{{{{{template}|{quoted}}}}}\n{tails}\n"
            f"[[{self.category}:Camelidae|Alpaca]]\n[[eo:Alpako]]\n"
        )

    def text(self) -> str:
        """Return what a reader wants of it."""
        return (
            f"Alpaca – {self.count.format(self.number)}\n\n{self.heading}\n\n{self.quantity_text}\n"
            f"- Huacaya\n- Suri\n\n{self.quotation[1]}"
        )


ARTICLES = (
    Article(
        language="bg",
        redirect="#пренасочване",
        file="Файл",
        category="Категория",
        count="в Перу живеят {} животни.",
        number="3 597 092",
        heading="Вълна",
        quantity="Влакното е дебело {{nobr|18 – 25 µm}} и расте {{число|12000}} дни.",
        quantity_text="Влакното е дебело 18 – 25 µm и расте 12 000 дни.",
        quotation=("цитат", "Стадото слиза в долината."),
        leaving=("Източници", "Външни препратки", "Вижте също"),
        switch="БЕЗСЪДЪРЖАНИЕ",
    ),
    Article(
        language="ca",
        redirect="#REDIRECCIÓ",
        file="Fitxer",
        category="Categoria",
        count="al Perú hi viuen {} animals.",
        number="3.597.092",
        heading="Llana",
        quantity="La fibra fa {{unitats|25|µm}} i el ramat puja a {{unitats|4500|m}} d'altitud.",
        quantity_text="La fibra fa 25 µm i el ramat puja a 4.500 m d'altitud.",
        quotation=("citació", "El ramat baixa a la vall."),
        leaving=("Referències", "Enllaços externs", "Vegeu també"),
        switch="CAPTAULA",
    ),
    Article(
        language="cs",
        redirect="#PŘESMĚRUJ",
        file="Soubor",
        category="Kategorie",
        count="v Peru žije {} zvířat.",
        number="3 597 092",
        heading="Vlna",
        quantity="Vlákno je silné {{nowrap|18 až 25 µm}}, stádo pase ve výšce {{FORMÁTUJČÍSLO:4500}} m.",
        quantity_text="Vlákno je silné 18 až 25 µm, stádo pase ve výšce 4 500 m.",
        quotation=("Citát", "Stádo schází do údolí."),
        leaving=("Reference", "Externí odkazy", "Související články"),
        switch="BEZOBSAHU",
    ),
    Article(
        language="da",
        redirect="#REDIRECT",
        file="Fil",
        category="Kategori",
        count="i Peru lever der {} dyr.",
        number="3.597.092",
        heading="Uld",
        quantity="Fiberen er {{nowrap|18 til 25 µm}} tyk; flokken går op i {{formatnum:4500}} meters højde.",
        quantity_text="Fiberen er 18 til 25 µm tyk; flokken går op i 4.500 meters højde.",
        quotation=("Citat", "Flokken går ned i dalen."),
        leaving=("Referencer", "Eksterne henvisninger", "Se også"),
    ),
    Article(
        language="de",
        redirect="#WEITERLEITUNG",
        file="Datei",
        category="Kategorie",
        count="in Peru leben {} Tiere.",
        number="3.597.092",
        heading="Wolle",
        quantity="Die Faser ist {{nowrap|18 bis 25 µm}} dick; die Herde weidet auf {{Höhe|4500|PE}}.",
        quantity_text="Die Faser ist 18 bis 25 µm dick; die Herde weidet auf 4.500 m.",
        quotation=("Zitat", "Die Herde zieht ins Tal."),
        leaving=("Einzelnachweise", "Weblinks", "Siehe auch"),
        switch="KEIN_INHALTSVERZEICHNIS",
    ),
    Article(
        language="en",
        redirect="#REDIRECT",
        file="File",
        category="Category",
        count="{} animals live in Peru.",
        number="3,597,092",
        heading="Wool",
        quantity="The fibre is {{convert|18|to|25|um}} thick; the herd grazes at {{convert|4500|m|ft}}.",
        quantity_text=(
            "The fibre is 18 to 25 micrometres (0.00071 to 0.00098 in) thick; "
            "the herd grazes at 4,500 metres (14,800 ft)."
        ),
        quotation=("blockquote", "The herd comes down to the valley."),
        leaving=("References", "External links", "See also"),
    ),
    Article(
        language="es",
        redirect="#REDIRECCIÓN",
        file="Archivo",
        category="Categoría",
        count="en el Perú viven {} animales.",
        number="3 597 092",
        heading="Lana",
        quantity="La fibra mide {{unidad|25|µm}} y el rebaño sube a {{unidad|14500|pies}}.",
        quantity_text="La fibra mide 25 µm y el rebaño sube a 14 500 pies.",
        quotation=("cita", "El rebaño baja al valle."),
        leaving=("Referencias", "Enlaces externos", "Véase también"),
        switch="SIN_TDC",
    ),
    Article(
        language="fr",
        redirect="#REDIRECTION",
        file="Fichier",
        category="Catégorie",
        count="{} bêtes vivent au Pérou.",
        number="3 597 092",
        heading="Laine",
        quantity="La fibre mesure {{unité|25|µm}}, le pré {{unité|4500,5|km|2}}, depuis le {{s|XVI|e}}.",
        quantity_text="La fibre mesure 25 µm, le pré 4 500,5 km², depuis le XVIe siècle.",
        quotation=("Citation bloc", "Le troupeau descend dans la vallée."),
        leaving=("Notes et références", "Liens externes", "Voir aussi"),
        switch="AUCUNSOMMAIRE",
    ),
    Article(
        language="hr",
        redirect="#PREUSMJERI",
        file="Datoteka",
        category="Kategorija",
        count="u Peruu živi {} životinja.",
        number="3.597.092",
        heading="Vuna",
        quantity="Vlakno je debelo {{nowrap|18 do 25 µm}}; stado pase na {{OBLIKBROJA:4500}} m.",
        quantity_text="Vlakno je debelo 18 do 25 µm; stado pase na 4.500 m.",
        quotation=("citat", "Stado silazi u dolinu."),
        leaving=("Izvori", "Vanjske poveznice", "Također pogledajte"),
        switch="BEZSADRŽAJA",
    ),
    Article(
        language="hu",
        redirect="#ÁTIRÁNYÍTÁS",
        file="Fájl",
        category="Kategória",
        count="Peruban {} állat él.",
        number="3 597 092",
        heading="Gyapjú",
        quantity="A szál {{nowrap|18–25 µm}} vastag; a nyáj {{szám|4500}} méteren legel.",
        quantity_text="A szál 18–25 µm vastag; a nyáj 4 500 méteren legel.",
        quotation=("idézet", "A nyáj leereszkedik a völgybe."),
        leaving=("Jegyzetek", "További információk", "Lásd még"),
        switch="NINCSTARTALOMJEGYZÉK",
    ),
    Article(
        language="it",
        redirect="#RINVIA",
        file="Immagine",
        category="Categoria",
        count="in Perù vivono {} animali.",
        number="3 597 092",
        heading="Lana",
        quantity="La fibra è spessa {{M|25|u=µm}}; il gregge pascola a {{M|4500|u=m}} di quota.",
        quantity_text="La fibra è spessa 25 µm; il gregge pascola a 4 500 m di quota.",
        quotation=("Citazione", "Il gregge scende a valle."),
        leaving=("Note", "Collegamenti esterni", "Voci correlate"),
        switch="NOINDICE",
    ),
    Article(
        language="nl",
        redirect="#DOORVERWIJZING",
        file="Bestand",
        category="Categorie",
        count="in Peru leven {} dieren.",
        number="3.597.092",
        heading="Wol",
        quantity="De vezel is {{nowrap|18 tot 25 µm}} dik; de kudde graast op {{formatnum:4500}} meter.",
        quantity_text="De vezel is 18 tot 25 µm dik; de kudde graast op 4.500 meter.",
        quotation=("Citaat", "De kudde daalt af naar het dal."),
        leaving=("Bronnen, noten en/of referenties", "Externe links", "Zie ook"),
        switch="GEENINHOUD",
    ),
    Article(
        language="pl",
        redirect="#PATRZ",
        file="Plik",
        category="Kategoria",
        count="w Peru żyje {} zwierząt.",
        number="3 597 092",
        heading="Wełna",
        quantity="Włókno ma {{nowrap|18–25 µm}}; stado pasie się na wysokości {{formatnum:4500}} m.",
        quantity_text="Włókno ma 18–25 µm; stado pasie się na wysokości 4500 m.",
        quotation=("Cytat", "Stado schodzi do doliny."),
        leaving=("Przypisy", "Linki zewnętrzne", "Zobacz też"),
        switch="BEZSPISU",
    ),
    Article(
        language="pt",
        redirect="#REDIRECIONAMENTO",
        file="Ficheiro",
        category="Categoria",
        count="no Peru vivem {} animais.",
        number="3 597 092",
        heading="Lã",
        quantity="A fibra mede {{fmtn|25|µm}} e o rebanho sobe a {{fmtn|14500|pés}}.",
        quantity_text="A fibra mede 25 µm e o rebanho sobe a 14 500 pés.",
        quotation=("citação", "O rebanho desce ao vale."),
        leaving=("Referências", "Ligações externas", "Ver também"),
        switch="SEMSUMÁRIO",
    ),
    Article(
        language="ro",
        redirect="#REDIRECTEAZA",
        file="Fișier",
        category="Categorie",
        count="în Peru trăiesc {} de animale.",
        number="3.597.092",
        heading="Lână",
        quantity="Fibra are {{unitate|25|µm}}; turma urcă la {{formatnum:4500}} m.",
        quantity_text="Fibra are 25 µm; turma urcă la 4.500 m.",
        quotation=("citat", "Turma coboară în vale."),
        leaving=("Note", "Legături externe", "Vezi și"),
        switch="FARACUPRINS",
    ),
    Article(
        language="ru",
        redirect="#ПЕРЕНАПРАВЛЕНИЕ",
        file="Файл",
        category="Категория",
        count="в Перу живёт {} животных.",
        number="3 597 092",
        heading="Шерсть",
        quantity="Волокно толщиной {{nobr|18—25 мкм}}; стадо обошло {{num|14500|вёрст}}.",
        quantity_text="Волокно толщиной 18—25 мкм; стадо обошло 14 500 вёрст.",
        quotation=("цитата", "Стадо спускается в долину."),
        leaving=("Примечания", "Ссылки", "См. также"),
        switch="БЕЗ_ОГЛАВЛЕНИЯ",
    ),
    Article(
        language="sl",
        redirect="#PREUSMERITEV",
        file="Slika",
        category="Kategorija",
        count="v Peruju živi {} živali.",
        number="3.597.092",
        heading="Volna",
        quantity="Vlakno je debelo {{val|25|u=µm}}; čreda se pase na {{formatnum:4500}} m.",
        quantity_text="Vlakno je debelo 25 µm; čreda se pase na 4.500 m.",
        quotation=("citat", "Čreda gre v dolino."),
        leaving=("Sklici", "Zunanje povezave", "Glej tudi"),
        switch="BREZKAZALAVSEBINE",
    ),
    Article(
        language="sr",
        redirect="#ПРЕУСМЕРИ",
        file="Датотека",
        category="Категорија",
        count="у Перуу живи {} животиња.",
        number="3.597.092",
        heading="Вуна",
        quantity="Влакно је дебело {{nowrap|18 до 25 µm}}; стадо пасе на {{formatnum:4500}} m.",
        quantity_text="Влакно је дебело 18 до 25 µm; стадо пасе на 4.500 m.",
        quotation=("цитат", "Стадо силази у долину."),
        leaving=("Референце", "Спољашње везе", "Види још"),
        switch="БЕЗСАДРЖАЈА",
    ),
    Article(
        language="sv",
        redirect="#OMDIRIGERING",
        file="Fil",
        category="Kategori",
        count="i Peru lever {} djur.",
        number="3 597 092",
        heading="Ull",
        quantity="Fibern är {{nowrap|18 till 25 µm}} tjock; hjorden betar på {{FORMATERANUM:4500}} meter.",
        quantity_text="Fibern är 18 till 25 µm tjock; hjorden betar på 4 500 meter.",
        quotation=("citat", "Hjorden går ner i dalen."),
        leaving=("Referenser", "Externa länkar", "Se även"),
        switch="INGENINNEHÅLLSFÖRTECKNING",
    ),
    Article(
        language="uk",
        redirect="#ПЕРЕНАПРАВЛЕННЯ",
        file="Зображення",
        category="Категорія",
        count="у Перу живе {} тварин.",
        number="3 597 092",
        heading="Вовна",
        quantity="Волокно завтовшки {{nobr|18—25 мкм}}; стадо пройшло {{число|14500}} верст.",
        quantity_text="Волокно завтовшки 18—25 мкм; стадо пройшло 14 500 верст.",
        quotation=("цитата", "Стадо спускається в долину."),
        leaving=("Примітки", "Посилання", "Див. також"),
        switch="БЕЗ_ЗМІСТУ",
    ),
)
