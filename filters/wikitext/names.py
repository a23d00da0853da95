"""Facts about the 20 Wikipedias that LLaMA was trained on: names of namespaces, redirects and sections, number formats.

Namespace names, redirect words, behaviour switches, the local names of `formatnum` and the number formats are
MediaWiki 1.39's localisation data (`languages/messages/Messages*.php`: `$namespaceNames`, `$namespaceAliases`,
`$namespaceGenderAliases`, `$magicWords`, `$separatorTransformTable`, `$minimumGroupingDigits`; Serbian in both its
scripts). MediaWiki understands the English names everywhere, so each entry includes them. The names of a project's own
namespaces (Wikipedia, Portal, Module ...) are those of the projects' site information. The headings of sections without
prose are the editing conventions of each Wikipedia. No text of MediaWiki is copied, only names.

In the table, names are separated by `|`; a heading marked with `?` also names real topics (the literature of a country,
the sources of a river), so such a section leaves only where it holds no prose.
"""

from __future__ import annotations

from dataclasses import dataclass

LANGUAGES = (
    "bg",
    "ca",
    "cs",
    "da",
    "de",
    "en",
    "es",
    "fr",
    "hr",
    "hu",
    "it",
    "nl",
    "pl",
    "pt",
    "ro",
    "ru",
    "sl",
    "sr",
    "sv",
    "uk",
)
"""The 20 languages of LLaMA's Wikipedia (section 2.1 of the paper), by code."""


@dataclass(frozen=True, slots=True)
class Names:
    """What one Wikipedia calls things; every name is casefolded, with spaces instead of underscores.

    `file` includes the Media namespace; `other` holds namespaces that hold no articles; `redirect` starts with `#`;
    `switches` are behaviour switches in capitals without their underscores (`NOTOC`); `sections` are headings under
    which there is no prose, `ambiguous_sections` headings where there may be; `group` separates thousands in numbers
    with at least `grouped_from` digits before the `decimal` mark.
    """

    file: frozenset[str]
    category: frozenset[str]
    other: frozenset[str]
    redirect: tuple[str, ...]
    switches: frozenset[str]
    formatnum: frozenset[str]
    sections: frozenset[str]
    ambiguous_sections: frozenset[str]
    group: str
    decimal: str
    grouped_from: int


ENGLISH_FILE = "File|Image|Media"
ENGLISH_CATEGORY = "Category"
ENGLISH_OTHER = "Template|Help|Special|User|MediaWiki|Wikipedia|WP|Project|Portal|Book|Draft|TimedText|Module|Talk"
ENGLISH_REDIRECT = "#REDIRECT"
ENGLISH_SWITCHES = (
    "EXPECTUNUSEDCATEGORY|FORCETOC|HIDDENCAT|INDEX|NEWSECTIONLINK|NOCC|NOCONTENTCONVERT|NOEDITSECTION|NOGALLERY|"
    "NOINDEX|NONEWSECTIONLINK|NOTC|NOTITLECONVERT|NOTOC|STATICREDIRECT|TOC"
)


def _folded(names: str) -> list[str]:
    return [name.casefold().replace("_", " ") for name in names.split("|") if name]


def _names(
    *,
    file: str,
    category: str,
    other: str,
    sections: str,
    numbers: tuple[str, str, int],
    redirect: str = "",
    switches: str = "",
    formatnum: str = "",
) -> Names:
    group, decimal, least_groups = numbers
    headings = _folded(sections)
    return Names(
        file=frozenset(_folded(f"{file}|{ENGLISH_FILE}")),
        category=frozenset(_folded(f"{category}|{ENGLISH_CATEGORY}")),
        other=frozenset(_folded(f"{other}|{ENGLISH_OTHER}")),
        redirect=tuple(_folded(f"{redirect}|{ENGLISH_REDIRECT}")),
        switches=frozenset(word for word in f"{switches}|{ENGLISH_SWITCHES}".split("|") if word),
        formatnum=frozenset(_folded(f"{formatnum}|formatnum")),
        sections=frozenset(heading for heading in headings if not heading.endswith("?")),
        ambiguous_sections=frozenset(heading[:-1] for heading in headings if heading.endswith("?")),
        group=group,
        decimal=decimal,
        grouped_from=3 + least_groups,
    )


NAMES: dict[str, Names] = {
    "bg": _names(
        file="Файл|Картинка|Медия",
        category="Категория",
        other="Шаблон|Помощ|Специални|Потребител|МедияУики|Уикипедия|У|Портал|Модул",
        redirect="#ПРЕНАСОЧВАНЕ|#ВИЖ",
        switches=(
            "СЪССЪДЪРЖАНИЕ|СКРИТАКАТЕГОРИЯ|ИНДЕКСИРАНЕ|ВРЪЗКА_ЗА_НОВ_РАЗДЕЛ|БЕЗ_РЕДАКТИРАНЕ_НА_РАЗДЕЛИ|"
            "БЕЗГАЛЕРИЯ|БЕЗИНДЕКСИРАНЕ|БЕЗСЪДЪРЖАНИЕ|СЪДЪРЖАНИЕ"
        ),
        sections=(
            "Източници?|Бележки?|Бележки и източници|Източници и бележки|Външни препратки|Вижте също|Виж също|"
            "Литература?|Библиография?|Допълнителна литература|Използвана литература|Препратки?|Цитирани източници|"
            "Галерия?"
        ),
        numbers=(" ", ",", 2),
    ),
    "ca": _names(
        file="Fitxer|Imatge|Media",
        category="Categoria",
        other="Plantilla|Ajuda|Especial|Usuari|Usuària|MediaWiki|Viquipèdia|VP|Portal|Viquiprojecte|Mòdul",
        redirect="#REDIRECCIÓ|#REDIRECCIO",
        switches=(
            "FORÇATAULA|CATAMAGADA|SECCIÓNOEDITABLE|SECCIONOEDITABLE|CAPGALERIA|NOGALERIA|CAPINDEX|CAPTAULA|"
            "NOTAULA|REDIRECCIÓESTATICA|REDIRECCIOESTATICA|TAULA|RESUM|TDM"
        ),
        formatnum="FORMATNOMBRE",
        sections=(
            "Referències|Notes?|Notes i referències|Referències i notes|Enllaços externs|Vegeu també|Bibliografia?|"
            "Bibliografia addicional|Per a més informació|Fonts?|Galeria?"
        ),
        numbers=(".", ",", 1),
    ),
    "cs": _names(
        file="Soubor|Média",
        category="Kategorie",
        other="Šablona|Nápověda|Speciální|Uživatel|Uživatelka|MediaWiki|Wikipedie|WP|Portál|Modul",
        redirect="#PŘESMĚRUJ",
        switches=(
            "VŽDYOBSAH|SKRÝTKAT|INDEXOVAT|LINKPŘIDATKOMENTÁŘ|BEZKONVERZEOBSAHU|BEZEDITOVATČÁST|BEZGALERIE|"
            "NEINDEXOVAT|BEZLINKUPŘIDATKOMENTÁŘ|BEZKONVERZENADPISU|BEZOBSAHU|STATICKÉPŘESMĚROVÁNÍ|OBSAH"
        ),
        formatnum="FORMÁTUJČÍSLO",
        sections=(
            "Reference?|Poznámky?|Odkazy?|Externí odkazy|Související články|Literatura?|Související literatura|"
            "Bibliografie?|Použitá literatura|Prameny?|Citace?|Poznámky a reference|Galerie?"
        ),
        numbers=(" ", ",", 1),
    ),
    "da": _names(
        file="Fil|Billede|Media",
        category="Kategori",
        other="Skabelon|Hjælp|Speciel|Bruger|MediaWiki|Wikipedia|WP|Portal|Modul",
        sections=(
            "Referencer|Noter|Fodnoter|Kilder?|Noter og referencer|Kilder og henvisninger|Eksterne henvisninger|"
            "Eksterne links|Ekstern henvisning|Henvisninger?|Se også|Litteratur?|Bibliografi?|Kildehenvisninger|"
            "Yderligere læsning|Galleri?"
        ),
        numbers=(".", ",", 1),
    ),
    "de": _names(
        file="Datei|Bild|Medium",
        category="Kategorie",
        other="Vorlage|Hilfe|Spezial|Benutzer|Benutzerin|MediaWiki|Wikipedia|WP|Portal|Modul",
        redirect="#WEITERLEITUNG",
        switches=(
            "INHALTSVERZEICHNIS_ERZWINGEN|VERSTECKTE_KATEGORIE|WARTUNGSKATEGORIE|INDEXIEREN|INDIZIEREN|"
            "NEUER_ABSCHNITTSLINK|PLUS_LINK|KEINE_INHALTSKONVERTIERUNG|ABSCHNITTE_NICHT_BEARBEITEN|KEINE_GALERIE|"
            "KEINEGALERIE|NICHT_INDEXIEREN|KEIN_INDEX|NICHT_INDIZIEREN|KEIN_NEUER_ABSCHNITTSLINK|KEIN_PLUS_LINK|"
            "KEINE_TITELKONVERTIERUNG|KEIN_INHALTSVERZEICHNIS|KEININHALTSVERZEICHNIS|PERMANENTE_WEITERLEITUNG|"
            "INHALTSVERZEICHNIS"
        ),
        formatnum="ZAHLENFORMAT",
        sections=(
            "Einzelnachweise|Einzelnachweise und Anmerkungen|Anmerkungen und Einzelnachweise|Anmerkungen?|"
            "Fußnoten|Quellen?|Quellen und Anmerkungen|Nachweise?|Belege?|Weblinks|Weblink|Siehe auch|Literatur?|"
            "Literatur und Quellen|Quellen und Literatur|Weiterführende Literatur|Bibliografie?|Bibliographie?|"
            "Referenzen|Galerie?|Bildergalerie"
        ),
        numbers=(".", ",", 1),
    ),
    "en": _names(
        file="File|Image|Media",
        category="Category",
        other=(
            "Template|Help|Special|User|Male user|Female user|MediaWiki|Wikipedia|WP|Project|Portal|Book|Draft|"
            "TimedText|Module"
        ),
        switches=(
            "EXPECTUNUSEDCATEGORY|FORCETOC|HIDDENCAT|INDEX|NEWSECTIONLINK|NOCC|NOCONTENTCONVERT|NOEDITSECTION|"
            "NOGALLERY|NOINDEX|NONEWSECTIONLINK|NOTC|NOTITLECONVERT|NOTOC|STATICREDIRECT|TOC"
        ),
        sections=(
            "References|Reference?|Notes?|Note?|Footnotes|Endnotes|Citations|Notes and references|"
            "References and notes|Notes and citations|Explanatory notes|Sources?|References and sources|"
            "Sources and references|External links|External link|Links?|See also|Further reading|"
            "Further information|Bibliography?|Works cited|Literature cited|Cited sources|Cited works|"
            "General references|Gallery?|Image gallery|Picture gallery"
        ),
        numbers=(",", ".", 1),
    ),
    "es": _names(
        file="Archivo|Imagen|Medio",
        category="Categoría",
        other=(
            "Plantilla|Ayuda|Especial|Usuario|Usuaria|MediaWiki|Wikipedia|WP|Portal|Wikiproyecto|Anexo discusión|Módulo"
        ),
        redirect="#REDIRECCIÓN|#REDIRECCION",
        switches=(
            "FORZAR_TDC|FORZARTDC|FORZARTOC|CATEGORÍAOCULTA|INDEXAR|VINCULARANUEVASECCION|ENLACECREARSECCIÓN|"
            "NOCONVERTIRCONTENIDO|NOCC|NO_EDITAR_SECCIÓN|NOEDITARSECCIÓN|NOEDITARSECCION|SIN_GALERÍA|NOGALERÍA|"
            "NOGALERIA|NOINDEXAR|NOVINCULARANUEVASECCION|SINENLACECREARSECCIÓN|NOCONVERTIRTITULO|"
            "NOCONVERTIRTÍTULO|NOCT|SIN_TDC|NOTDC|REDIRECCIÓNESTÁTICA|REDIRECCIONESTATICA|TDC"
        ),
        formatnum="FORMATONÚMERO|FORMATONUMERO",
        sections=(
            "Referencias|Notas?|Notas y referencias|Referencias y notas|Notas al pie|Citas y notas|"
            "Enlaces externos|Enlace externo|Véase también|Vea también|Ver también|Bibliografía?|"
            "Bibliografía adicional|Bibliografía complementaria|Bibliografía recomendada|Fuentes?|"
            "Lectura adicional|Lecturas adicionales|Galería?|Galería de imágenes"
        ),
        numbers=(" ", ",", 2),
    ),
    "fr": _names(
        file="Fichier|Média",
        category="Catégorie",
        other="Modèle|Aide|Spécial|Utilisateur|Utilisatrice|MediaWiki|Wikipédia|WP|Portail|Projet|Module|Référence",
        redirect="#REDIRECTION",
        switches=(
            "FORCERSOMMAIRE|FORCERTDM|CATCACHEE|LIENNOUVELLESECTION|SANSCONVERSIONCONTENU|SANSCC|"
            "SECTIONNONEDITABLE|AUCUNEGALERIE|AUCUNINDEX|AUCUNLIENNOUVELLESECTION|SANSCONVERSIONTITRE|SANSCT|"
            "AUCUNSOMMAIRE|AUCUNETDM|REDIRECTIONSTATIQUE|SOMMAIRE|TDM"
        ),
        formatnum="FORMATNOMBRE",
        sections=(
            "Références|Référence|Notes?|Notes et références|Notes et sources|Sources?|Sources et références|"
            "Références et notes|Liens externes|Lien externe|Voir aussi|Articles connexes|Article connexe|"
            "Bibliographie?|Bibliographie sélective|Annexes?|Lectures complémentaires|Pour en savoir plus|Galerie?|"
            "Galerie d'images|Galerie de photos|Liens internes"
        ),
        numbers=(" ", ",", 1),
    ),
    "hr": _names(
        file="Datoteka|Slika|Mediji",
        category="Kategorija",
        other="Predložak|Pomoć|Posebno|Suradnik|Suradnica|MediaWiki|Wikipedija|WP|Portal|Modul",
        redirect="#PREUSMJERI",
        switches=(
            "UKLJUČISADRŽAJ|SKRIVENAKAT|KAZALO|NOVIODLOMAKPOVEZNICA|BEZPRETVARANJASADRŽAJA|BPS|"
            "BEZUREĐIVANJAODLOMAKA|BEZGALERIJE|BEZKAZALA|BEZPRETVARANJANASLOVA|BPN|BEZSADRŽAJA|"
            "NEPOMIČNOPREUSMJERAVANJE|SADRŽAJ"
        ),
        formatnum="OBLIKBROJA",
        sections=(
            "Izvori?|Bilješke?|Bilješke i izvori|Referencije|Reference?|Vanjske poveznice|Vanjska poveznica|"
            "Povezani članci|Vidi još|Vidi?|Također pogledajte|Literatura?|Bibliografija?|Daljnje čitanje|Poveznice?|"
            "Galerija?"
        ),
        numbers=(".", ",", 1),
    ),
    "hu": _names(
        file="Fájl|Kép|Média",
        category="Kategória",
        other="Sablon|Segítség|Speciális|Szerkesztő|MediaWiki|Wikipédia|WP|Portál|Modul",
        redirect="#ÁTIRÁNYÍTÁS",
        switches=(
            "LEGYENTARTALOMJEGYZÉK|LEGYENTJ|REJTETTKAT|REJTETTKATEGÓRIA|ÚJSZAKASZHIV|ÚJSZAKASZLINK|"
            "NINCSSZERKESZTÉS|NINCSSZERK|NINCSGALÉRIA|NINCSINDEX|NINCSÚJSZAKASZHIV|NINCSÚJSZAKASZLINK|"
            "NINCSTARTALOMJEGYZÉK|NINCSTJ|ÁLLANDÓÁTIRÁNYÍTÁS|STATIKUSÁTIRÁNYÍTÁS|TARTALOMJEGYZÉK|TJ"
        ),
        formatnum="FORMÁZOTTSZÁM|SZÁMFORMÁZÁS|SZÁMFORM",
        sections=(
            "Jegyzetek|Megjegyzések?|Lábjegyzetek|Források?|Forrás?|Hivatkozások?|Jegyzetek és források|"
            "További információk|Külső hivatkozások|Lásd még|Kapcsolódó szócikkek|Irodalom?|Szakirodalom?|"
            "További irodalom|Felhasznált irodalom|Ajánlott irodalom|Bibliográfia?|Galéria?|Képgaléria"
        ),
        numbers=(" ", ",", 1),
    ),
    "it": _names(
        file="File|Immagine|Media",
        category="Categoria",
        other="Template|Aiuto|Speciale|Utente|MediaWiki|Wikipedia|WP|Portale|Progetto|Modulo",
        redirect="#RINVIA|#RINVIO|#RIMANDO",
        switches="INDICE|NOINDICE",
        sections=(
            "Note?|Riferimenti?|Note e riferimenti|Fonti?|Collegamenti esterni|Collegamento esterno|Voci correlate|"
            "Altri progetti|Bibliografia?|Bibliografia essenziale|Letture consigliate|Approfondimenti?|Annotazioni?|"
            "Esplicative|Bibliografiche|Galleria d'immagini|Galleria?"
        ),
        numbers=(" ", ",", 1),
    ),
    "nl": _names(
        file="Bestand|Afbeelding|Media",
        category="Categorie",
        other="Sjabloon|Help|Speciaal|Gebruiker|MediaWiki|Wikipedia|WP|Portaal|Module",
        redirect="#DOORVERWIJZING",
        switches=(
            "INHOUD_DWINGEN|FORCEERINHOUD|VERBORGENCAT|NIEUWESECTIELINK|NIEUWESECTIEKOPPELING|"
            "GEENINHOUDCONVERSIE|GEENIC|NIETBEWERKBARESECTIE|GEEN_GALERIJ|GEENINDEX|GEENNIEUWKOPJEKOPPELING|"
            "GEENNIEUWESECTIELINK|GEENNIEUWKOPJEVERWIJZING|GEENPAGINANAAMCONVERSIE|GEENTITELCONVERSIE|GEENTC|"
            "GEENINHOUD|STATISCHEDOORVERWIJZING|STATISCHEREDIRECT|INHOUD"
        ),
        formatnum="FORMATTEERNUM|NUMFORMATTEREN",
        sections=(
            "Referenties|Referentie?|Noten|Voetnoten|Bronnen?|Bron?|Bronvermelding|Bronnen, noten en/of referenties|"
            "Bronnen, noten en referenties|Noten en referenties|Externe links|Externe link|Externe koppelingen|"
            "Externe koppeling|Zie ook|Literatuur?|Bibliografie?|Verder lezen|Galerij?|Afbeeldingen?"
        ),
        numbers=(".", ",", 1),
    ),
    "pl": _names(
        file="Plik|Grafika|Media",
        category="Kategoria",
        other="Szablon|Pomoc|Specjalna|Użytkownik|Użytkowniczka|MediaWiki|Wikipedia|WP|Portal|Wikiprojekt|Moduł",
        redirect="#PATRZ|#PRZEKIERUJ|#TAM",
        switches=(
            "ZESPISEM|WYMUŚSPIS|KATEGORIAUKRYTA|INDEKSUJ|LINKNOWEJSEKCJI|BEZEDYCJISEKCJI|BEZGALERII|NIEINDEKSUJ|"
            "BEZSPISU|POZIOMZABEZPIECZEŃ|SPIS"
        ),
        sections=(
            "Przypisy|Uwagi?|Uwagi i przypisy|Źródła?|Linki zewnętrzne|Link zewnętrzny|Zobacz też|Bibliografia?|"
            "Literatura?|Literatura przedmiotu|Literatura uzupełniająca|Literatura dodatkowa|Przypisy i uwagi|"
            "Galeria?|Galeria zdjęć"
        ),
        numbers=(" ", ",", 2),
    ),
    "pt": _names(
        file="Ficheiro|Imagem|Arquivo|Multimédia",
        category="Categoria",
        other=("Predefinição|Ajuda|Especial|Utilizador|Usuário|Utilizadora|MediaWiki|Wikipédia|WP|Portal|Livro|Módulo"),
        redirect="#REDIRECIONAMENTO",
        switches=(
            "FORCARTDC|FORCARSUMARIO|FORÇARTDC|FORÇARSUMÁRIO|CATEGORIAOCULTA|CATOCULTA|INDEXAR|LINKDENOVASECAO|"
            "LINKDENOVASEÇÃO|LIGACAODENOVASECAO|LIGAÇÃODENOVASEÇÃO|SEMCONVERTERCONTEUDO|SEMCONVERTERCONTEÚDO|"
            "SEMCC|NÃOEDITARSEÇÃO|SEMEDITARSEÇÃO|NAOEDITARSECAO|SEMEDITARSECAO|SEMGALERIA|NAOINDEXAR|NÃOINDEXAR|"
            "SEMLINKDENOVASECAO|SEMLINKDENOVASEÇÃO|SEMLIGACAODENOVASECAO|SEMLIGAÇÃODENOVASEÇÃO|"
            "SEMCONVERTERTITULO|SEMCONVERTERTÍTULO|SEMCT|SEMTDC|SEMSUMÁRIO|REDIRECIONAMENTOESTATICO|"
            "REDIRECIONAMENTOESTÁTICO|TDC|SUMÁRIO|SUMARIO"
        ),
        sections=(
            "Referências|Referência|Notas?|Notas e referências|Referências e notas|Notas de rodapé|"
            "Ligações externas|Ligação externa|Links externos|Ver também|Veja também|Bibliografia?|"
            "Bibliografia complementar|Bibliografia adicional|Referências bibliográficas|Fontes?|"
            "Leitura adicional|Leitura recomendada|Leituras adicionais|Galeria?|Galeria de imagens"
        ),
        numbers=(" ", ",", 1),
    ),
    "ro": _names(
        file="Fișier|Imagine|Fişier|Media",
        category="Categorie",
        other="Format|Ajutor|Special|Utilizator|MediaWiki|Wikipedia|WP|Portal|Proiect|Modul",
        redirect="#REDIRECTEAZA",
        switches=(
            "FORTEAZACUPRINS|ASCUNDECAT|LEGATURASECTIUNENOUA|FARACONVERTIRECONTINUT|FCC|FARAEDITSECTIUNE|"
            "FARAGALERIE|FARAINDEX|FARALEGATURASECTIUNENOUA|FARACONVERTIRETITLU|FCT|FARACUPRINS|"
            "REDIRECTIONARESTATICA|CUPRINS"
        ),
        formatnum="FORMATNR",
        sections=(
            "Referințe|Note?|Note și referințe|Referințe și note|Note de subsol|Note bibliografice|"
            "Note explicative|Legături externe|Legătură externă|Linkuri externe|Vezi și|A se vedea și|"
            "Bibliografie?|Bibliografie suplimentară|Lectură suplimentară|Lecturi suplimentare|Surse?|Galerie?|"
            "Galerie de imagini|Referinţe|Note şi referinţe|Legături externe|Vezi şi"
        ),
        numbers=(".", ",", 1),
    ),
    "ru": _names(
        file="Файл|Изображение|Медиа",
        category="Категория",
        other="Шаблон|Справка|Служебная|Участник|Участница|MediaWiki|Википедия|ВП|Портал|Проект|Инкубатор|Модуль",
        redirect="#ПЕРЕНАПРАВЛЕНИЕ|#ПЕРЕНАПР",
        switches=(
            "ОБЯЗАТЕЛЬНОЕ_ОГЛАВЛЕНИЕ|ОБЯЗ_ОГЛ|СКРЫТАЯ_КАТЕГОРИЯ|ИНДЕКС|ССЫЛКА_НА_НОВЫЙ_РАЗДЕЛ|"
            "БЕЗ_ПРЕОБРАЗОВАНИЯ_ТЕКСТА|БЕЗ_РЕДАКТИРОВАНИЯ_РАЗДЕЛА|БЕЗ_ГАЛЕРЕИ|БЕЗ_ИНДЕКСА|"
            "БЕЗ_ССЫЛКИ_НА_НОВЫЙ_РАЗДЕЛ|БЕЗ_ПРЕОБРАЗОВАНИЯ_ЗАГОЛОВКА|БЕЗ_ОГЛАВЛЕНИЯ|БЕЗ_ОГЛ|"
            "СТАТИЧЕСКОЕ_ПЕРЕНАПРАВЛЕНИЕ|ОГЛАВЛЕНИЕ|ОГЛ"
        ),
        formatnum="ФОРМАТИРОВАТЬ_ЧИСЛО",
        sections=(
            "Примечания|Сноски|Источники?|Комментарии?|Примечания и ссылки|Источники и примечания|Ссылки?|"
            "Внешние ссылки|См. также|Смотри также|Смотрите также|Литература?|Библиография?|Список литературы|"
            "Дополнительная литература|Рекомендуемая литература|Ссылки и примечания|Галерея?"
        ),
        numbers=(" ", ",", 2),
    ),
    "sl": _names(
        file="Slika|Datoteka",
        category="Kategorija",
        other="Predloga|Pomoč|Posebno|Uporabnik|MediaWiki|Wikipedija|WP|Portal|Modul",
        redirect="#PREUSMERITEV",
        switches=(
            "VSILIKAZALOVSEBINE|SKRITAKATEGORIJA|KAZALO|BREZUREJANJARAZDELKOV|BREZGALERIJE|BREZKAZALA|"
            "BREZKAZALAVSEBINE|STATICNAPREUSMERITEV|POGLAVJE"
        ),
        sections=(
            "Sklici|Opombe?|Opombe in sklici|Sklici in opombe|Viri?|Viri in opombe|Reference?|Zunanje povezave|"
            "Zunanja povezava|Glej tudi|Glejte tudi|Literatura?|Nadaljnje branje|Bibliografija?|Galerija?"
        ),
        numbers=(".", ",", 1),
    ),
    "sr": _names(
        file="Датотека|Слика|Datoteka|Slika|Медиј|Медија|Medij|Medija",
        category="Категорија|Kategorija",
        other=(
            "Шаблон|Šablon|Помоћ|Pomoć|Посебно|Posebno|Корисник|Korisnik|Медијавики|МедијаВики|Medijaviki|"
            "Википедија|ВП|Портал|Модул"
        ),
        redirect="#ПРЕУСМЕРИ|#ПРЕУСМЈЕРИ|#PREUSMERI|#PREUSMJERI",
        switches=(
            "ФОРСИРАНИСАДРЖАЈ|ФОРСИРАНИ_САДРЖАЈ|ПРИМОРАНИСАДРЖАЈ|ПРИМОРАНИ_САДРЖАЈ|FORSIRANISADRŽAJ|"
            "FORSIRANI_SADRŽAJ|PRIMORANISADRŽAJ|PRIMORANI_SADRŽAJ|САКРИВЕНАКАТ|SAKRIVENAKAT|ИНДЕКС|INDEKS|"
            "НОВАВЕЗАОДЕЉКА|НОВА_ВЕЗА_ОДЕЉКА|NOVAVEZAODELJKA|NOVA_VEZA_ODELJKA|БЕЗКС|БЕЗЦЦ|BEZKS|BEZCC|БЕЗИЗМЕНА|"
            "БЕЗ_ИЗМЕНА|БЕЗИЗМЈЕНА|БЕЗ_ИЗМЈЕНА|BEZIZMENA|BEZ_IZMENA|BEZIZMJENA|BEZ_IZMJENA|БЕЗГАЛЕРИЈЕ|"
            "БЕЗ_ГАЛЕРИЈЕ|BEZGALERIJE|BEZ_GALERIJE|БЕЗИНДЕКСА|БЕЗ_ИНДЕКСА|BEZINDEKSA|BEZ_INDEKSA|"
            "БЕЗНОВЕВЕЗЕОДЕЉКА|БЕЗ_НОВЕ_ВЕЗЕ_ОДЕЉКА|BEZNOVEVEZEODELJKA|BEZ_NOVE_VEZE_ODELJKA|БЕЗКН|BEZKN|"
            "БЕЗСАДРЖАЈА|БЕЗ_САДРЖАЈА|BEZSADRŽAJA|BEZ_SADRŽAJA|СТАТИЧКОПРЕУСМЕРЕЊЕ|STATIČKOPREUSMERENJE|САДРЖАЈ|"
            "SADRŽAJ"
        ),
        sections=(
            "Референце|Напомене?|Напомене и референце|Извори?|Белешке?|Фусноте|Спољашње везе|Спољашња веза|Види још|"
            "Такође погледајте|Литература?|Библиографија?|Додатна литература|Галерија?|Reference?|Napomene?|Izvori?|"
            "Spoljašnje veze|Vidi još|Takođe pogledajte|Literatura?|Dodatna literatura|Galerija?"
        ),
        numbers=(".", ",", 1),
    ),
    "sv": _names(
        file="Fil|Bild|Media",
        category="Kategori",
        other="Mall|Hjälp|Special|Användare|MediaWiki|Wikipedia|WP|Portal|Modul",
        redirect="#OMDIRIGERING",
        switches=(
            "ALLTIDINNEHÅLLSFÖRTECKNING|DOLDKAT|INDEXERA|NYTTAVSNITTLÄNK|INTEREDIGERASEKTION|INGETGALLERI|"
            "INTEINDEXERA|INGENINNEHÅLLSFÖRTECKNING|STATISKOMDIRIGERING|INNEHÅLLSFÖRTECKNING"
        ),
        formatnum="FORMATERANUM|FORMATERATAL",
        sections=(
            "Referenser|Noter|Fotnoter|Källor?|Källförteckning|Noter och referenser|Externa länkar|Extern länk|"
            "Se även|Se också|Litteratur?|Vidare läsning|Bibliografi?|Tryckta källor|Webbkällor|Anmärkningar|"
            "Källhänvisningar|Galleri?|Bildgalleri"
        ),
        numbers=(" ", ",", 1),
    ),
    "uk": _names(
        file="Файл|Зображення|Изображение|Медіа|Медиа",
        category="Категорія|Категория",
        other=(
            "Шаблон|Довідка|Справка|Спеціальна|Спеціальні|Служебная|Користувач|Участник|Користувачка|MediaWiki|"
            "Вікіпедія|ВП|Портал|Модуль"
        ),
        redirect="#ПЕРЕНАПРАВЛЕННЯ|#ПЕРЕНАПР|#ПЕРЕНАПРАВЛЕНИЕ",
        switches=(
            "ОБОВ_ЗМІСТ|ОБЯЗАТЕЛЬНОЕ_ОГЛАВЛЕНИЕ|ОБЯЗ_ОГЛ|ПРИХОВ_КАТ|ПРИХОВАНА_КАТЕГОРІЯ|СКРЫТАЯ_КАТЕГОРИЯ|ІНДЕКС|"
            "ИНДЕКС|ПОСИЛАННЯ_НА_НОВИЙ_РОЗДІЛ|ССЫЛКА_НА_НОВЫЙ_РАЗДЕЛ|БЕЗ_ПЕРЕТВОРЕННЯ_ТЕКСТУ|"
            "БЕЗ_ПРЕОБРАЗОВАНИЯ_ТЕКСТА|БЕЗ_РЕДАГУВ_РОЗДІЛУ|БЕЗ_РЕДАКТИРОВАНИЯ_РАЗДЕЛА|БЕЗ_ГАЛЕРЕЇ|БЕЗ_ГАЛЕРЕИ|"
            "БЕЗ_ІНДЕКСУ|БЕЗ_ИНДЕКСА|БЕЗ_ПОСИЛАННЯ_НА_НОВИЙ_РОЗДІЛ|БЕЗ_ССЫЛКИ_НА_НОВЫЙ_РАЗДЕЛ|"
            "БЕЗ_ПЕРЕТВОРЕННЯ_ЗАГОЛОВКУ|БЕЗ_ПРЕОБРАЗОВАНИЯ_ЗАГОЛОВКА|БЕЗ_ЗМІСТУ|БЕЗ_ОГЛАВЛЕНИЯ|БЕЗ_ОГЛ|"
            "СТАТИЧНЕ_ПЕРЕНАПРАВЛЕННЯ|СТАТИЧЕСКОЕ_ПЕРЕНАПРАВЛЕНИЕ|ЗМІСТ|ОГЛАВЛЕНИЕ|ОГЛ"
        ),
        formatnum="ФОРМАТУВАТИ_ЧИСЛО|ФОРМАТИРОВАТЬ_ЧИСЛО",
        sections=(
            "Примітки|Виноски|Джерела?|Примітки та джерела|Джерела та примітки|Посилання?|Зовнішні посилання|"
            "Див. також|Дивіться також|Дивись також|Література?|Бібліографія?|Список літератури|"
            "Додаткова література|Джерела та література|Коментарі?|Галерея?|Джерела інформації"
        ),
        numbers=(" ", ",", 2),
    ),
}


def names_of(language: str) -> Names:
    """Return the names that the Wikipedia of `language` uses; ValueError for a language that is not one of the 20."""
    if language not in NAMES:
        raise ValueError(f"language {language!r} is not one of the 20 of the corpus: {', '.join(LANGUAGES)}")
    return NAMES[language]
