"""What each wiki calls the functions and variables of templates, beside their English names, which all know.

From MediaWiki 1.39: `$magicWords` of `languages/messages/Messages*.php` and of its extension ParserFunctions. Names are
compared casefolded, with spaces for underscores.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

_LOCAL: Final = {
    "bg": (
        "lc: мб; uc: гб; lcfirst: мбпърва; ucfirst: гбпърва; plural: мн число; grammar: граматика; gender: пол; "
        "pagename: страница; fullpagename: пълноиме страница; namespace: именнопространство; ns: ип; defaultsort: "
        "сорткат; displaytitle: показв заглавие"
    ),
    "ca": (
        "formatnum: formatnombre; padleft: separacióesquerra | separacioesquerra; padright: separaciódreta | "
        "separaciodreta; pagename: nompàgina | nompagina | nomdelaplana; defaultsort: ordena; displaytitle: títol "
        "| titol; tag: etiqueta | marcador"
    ),
    "cs": (
        "lc: malá; uc: velká; lcfirst: prvnímalé; ucfirst: prvnívelké; formatnum: formátujčíslo; padleft: "
        "zarovnatvlevo; padright: zarovnatvpravo; plural: plurál; grammar: skloňuj; gender: pohlaví; pagename: "
        "názevstrany; fullpagename: plnýnázevstrany; namespace: jmennýprostor; ns: jmennýprostor; urlencode: "
        "enkódovaturl; anchorencode: enkódovatnadpis; defaultsort: klíčřazení; displaytitle: zobrazovanýnadpis; "
        "tag: značka; #expr: #výraz; #if: #když; #ifexist: #kdyžexist; #time: #čas"
    ),
    "de": (
        "lc: klein; uc: gross; lcfirst: initial klein; ucfirst: initial gross; formatnum: zahlenformat; padleft: "
        "füllenlinks; padright: füllenrechts; grammar: grammatik; gender: geschlecht; pagename: seitenname; "
        "fullpagename: voller seitenname; namespace: namensraum; ns: nr; urlencode: urlenkodiert; anchorencode: "
        "ankerenkodiert | sprungmarkeenkodiert; defaultsort: sortierung; displaytitle: seitentitel; tag: "
        "erweiterung; safesubst: sicher ers | sicherers; #switch: #wechsle; #default: #standard"
    ),
    "es": (
        "lc: minus | minús; uc: mayus | mayús; lcfirst: primerominus | primerominús; ucfirst: primeromayus | "
        "primeromayús; formatnum: formatonúmero | formatonumero; padleft: rellenarizquierda | rellenarizq; "
        "padright: rellenarderecha | rellenarder; grammar: gramatica | gramática; gender: género | genero; "
        "pagename: nombredepagina | nombredepágina; fullpagename: nombrecompletodepágina | "
        "nombrecompletodepagina; namespace: espaciodenombre; ns: en; urlencode: codificarurl; defaultsort: "
        "ordenar | clavedeordenpredeterminado | ordendecategoriapredeterminado | ordendecategoríapredeterminado; "
        "displaytitle: mostrartítulo | mostrartitulo; r: sf; tag: etiqueta; #if: #si; #ifeq: #siigual; #ifexpr: "
        "#siexpr; #iferror: #sierror; #switch: #según; #default: #predeterminado; #ifexist: #siexiste; #time: "
        "#tiempo"
    ),
    "fr": (
        "lc: minus; uc: majus | capit; lcfirst: initminus; ucfirst: initmajus | initcapit; formatnum: "
        "formatnombre; padleft: bourragegauche | bourregauche; padright: bourragedroite | bourredroite; plural: "
        "pluriel; grammar: grammaire; gender: genre; pagename: nompage; fullpagename: nompagecomplet; namespace: "
        "espacenommage; ns: espacen; urlencode: encodeurl; anchorencode: encodeancre; defaultsort: clefdetri | "
        "cledetri; displaytitle: affichertitre; r: brut | b; nosep: sanssep; tag: balise; #if: #si; #ifeq: #si=; "
        "#ifexpr: #siexpr; #iferror: #sierreur; #switch: #selon; #default: #défaut; #ifexist: #siexiste; #time: "
        "#heure; #titleparts: #partiestitre"
    ),
    "hr": (
        "lc: ms; uc: vs; lcfirst: msprvo; ucfirst: vsprvo; formatnum: oblikbroja; padleft: postavalijevo; "
        "padright: postavadesno; plural: množina; grammar: gramatika; pagename: imestranice; fullpagename: "
        "punoimestranice; namespace: imenskiprostor; ns: imp; urlencode: urlkodiranje; anchorencode: "
        "sidrokodiranje; defaultsort: glavniraspored; displaytitle: pokažinaslov; r: neo; tag: oznaka"
    ),
    "hu": (
        "lc: kisbetű | kisbetűk | kb | kisbetűs; uc: nagybetű | nagybetűk | nb | nagybetűs; lcfirst: kiskezdő | "
        "kiskezdőbetű; ucfirst: nagykezdő | nagykezdőbetű; formatnum: formázottszám | számformázás | számform; "
        "plural: többesszám; grammar: nyelvtan; pagename: oldalneve; fullpagename: lapteljesneve; namespace: "
        "névtere; ns: névtér; urlencode: urlkódolva; anchorencode: horgonykódolva; defaultsort: rendezés | kulcs; "
        "displaytitle: megjelenítendőcím | cím; #expr: #kif; #if: #ha; #ifeq: #haegyenlő; #ifexpr: #hakif; "
        "#iferror: #hahibás; #default: #alapértelmezett; #ifexist: #halétezik; #time: #idő"
    ),
    "it": (
        "plural: plurale; gender: genere; pagename: titolopagina; displaytitle: mostratitolo; tag: etichetta; "
        "#expr: #espr; #if: #se; #ifeq: #seeq; #ifexpr: #seespr; #iferror: #seerrore; #ifexist: #seesiste; #time: "
        "#tempo; #titleparts: #patititolo"
    ),
    "nl": (
        "lc: kl; uc: hl; lcfirst: kleerste; ucfirst: gleerste | hleerste; formatnum: formatteernum | "
        "numformatteren; padleft: linksopvullen; padright: rechtsopvullen; plural: meervoud; grammar: grammatica; "
        "gender: geslacht; pagename: paginanaam; fullpagename: volledigepaginanaam; namespace: naamruimte; ns: "
        "nr; urlencode: urlcoderen | codeerurl; anchorencode: ankercoderen | codeeranker; defaultsort: "
        "standaardsortering; displaytitle: weergegeventitel | toontitel; r: v; nosep: geenscheidingsteken; tag: "
        "label; safesubst: veiligverv; #expr: #expressie; #if: #als; #ifeq: #alsgelijk; #ifexpr: #alsexpressie; "
        "#iferror: #alsfout; #switch: #schakelen; #default: #standaard; #ifexist: #alsbestaat; #time: #tijd; "
        "#titleparts: #paginanaamdelen"
    ),
    "pl": (
        "lc: małe; uc: wielkie | duże; lcfirst: zmałej | odmałej; ucfirst: zwielkiej | zdużej | odwielkiej | "
        "oddużej; padleft: dolewej; padright: doprawej; plural: mnoga; grammar: odmiana; gender: płeć; pagename: "
        "nazwastrony; fullpagename: pelnanazwastrony; namespace: nazwaprzestrzeni; ns: pn; defaultsort: sortuj | "
        "domyślniesortuj; displaytitle: wyświetlanytytuł"
    ),
    "pt": (
        "lc: minuscula | minúscula | minusculas | minúsculas; uc: maiuscula | maiúscula | maiusculas | "
        "maiúsculas; lcfirst: primeiraminuscula | primeiraminúscula; ucfirst: primeiramaiuscula | "
        "primeiramaiúscula; gender: genero | gênero; pagename: nomedapagina | nomedapágina; fullpagename: "
        "nomecompletodapagina | nomecompletodapágina; namespace: dominio | domínio | espaconominal | "
        "espaçonominal; urlencode: codificaurl; anchorencode: codificaancora | codificaâncora; defaultsort: "
        "ordenacaopadrao | ordenaçãopadrão | ordempadrao | ordempadrão; displaytitle: exibetitulo | exibetítulo; "
        "#if: #se; #ifeq: #seigual; #ifexpr: #seexpr; #iferror: #seerro; #default: #padrão | #padrao; #ifexist: "
        "#seexiste; #titleparts: #partesdotítulo | #partesdotitulo"
    ),
    "ro": (
        "lc: minuscula; uc: majuscula; lcfirst: minusculaprima; ucfirst: majusculaprima; formatnum: formatnr; "
        "grammar: gramatica; gender: gen; pagename: numepagina; fullpagename: numepaginacomplet; namespace: "
        "spatiudenume; ns: sn; urlencode: codificareurl; anchorencode: codificareancora; defaultsort: "
        "sortareimplicita | cheiesortareimplicita | categoriesortareimplicita; displaytitle: aratatitlu; tag: "
        "eticheta"
    ),
    "ru": (
        "lc: маленькими буквами; uc: большими буквами; lcfirst: первая буква маленькая; ucfirst: первая буква "
        "большая; formatnum: форматировать число; padleft: заполнить слева; padright: заполнить справа; plural: "
        "множественное число; grammar: падеж; gender: пол; pagename: название страницы; fullpagename: полное "
        "название страницы; namespace: пространство имён; ns: пи; urlencode: закодированный адрес; anchorencode: "
        "кодировать метку; defaultsort: сортировка по умолчанию | ключ сортировки; displaytitle: показать "
        "заголовок; r: н; tag: метка | тег | тэг; safesubst: защподст; #if: #если; #iferror: #еслиошибка; "
        "#switch: #переключатель; #default: #умолчание; #time: #время"
    ),
    "sl": ("plural: mnozina; grammar: sklon; gender: spol; tag: oznaka"),
    "sr": (
        "lc: лц; uc: уц; lcfirst: лцпрви; ucfirst: уцпрви; padleft: поравнајлево | поравнај лево; padright: "
        "поравнајдесно | поравнај десно; plural: множина; grammar: граматика; gender: род | лице; pagename: "
        "иместранице | име странице | страница; fullpagename: пуноиместранице | пуноиместране | пуно име странице "
        "| пуно име стране; namespace: именскипростор | именски простор; ns: ип; urlencode: кодирањеадресе | "
        "кодирање адресе; anchorencode: кодирањевезе | кодирање везе; defaultsort: подразумеваносортирање | "
        "подразумеваникључзасортирање | подразумеваносортирањекатегорије; displaytitle: називприказа | назив "
        "приказа; r: р; tag: ознака; safesubst: безбедназамена | безбедна замена; #default: #подразумевано; "
        "#time: #време"
    ),
    "sv": (
        "lc: lb; uc: sb; lcfirst: lbförst; ucfirst: sbförst; formatnum: formateranum | formateratal; grammar: "
        "grammatik; gender: kön; pagename: sidnamn; fullpagename: helasidnamnet; namespace: namnrymd; ns: nr; "
        "defaultsort: standardsortering; displaytitle: visatitel; tag: tagg; #expr: #utr; #if: #om; #ifeq: "
        "#omlika; #ifexpr: #omutr; #iferror: #omfel; #switch: #växel; #default: #standard; #ifexist: #omfinns; "
        "#time: #tid"
    ),
    "uk": (
        "lc: нр | нижній регістр | малими буквами | малими літерами | маленькими буквами; uc: вр | верхній "
        "регістр | великими буквами | великими літерами | большими буквами; lcfirst: нр перша | перша буква мала "
        "| перша літера мала | мала перша літера | первая буква маленькая; ucfirst: вр перша | перша буква велика "
        "| перша літера велика | велика перша літера | первая буква большая; formatnum: форматувати число | "
        "форматировать число; padleft: заповнити ліворуч | заполнить слева; padright: заповнити праворуч | "
        "заполнить справа; plural: множина | множественное число; grammar: відмінок | падеж; gender: стать | пол; "
        "pagename: назва сторінки | название страницы; fullpagename: повна назва сторінки | полное название "
        "страницы; namespace: простір назв | пространство имён; ns: пн | пи; urlencode: закодована адреса | "
        "закодированный адрес; anchorencode: кодувати мітку | кодировать метку; defaultsort: стандартне "
        "сортування: ключ сортування | сортировка по умолчанию | ключ сортировки; displaytitle: показати "
        "заголовок | показать заголовок; r: н; tag: тег | мітка | теґ | метка | тэг; safesubst: безпечна "
        "підстановка | защподст; #expr: #вираз; #if: #якщо | #если; #ifeq: #якщорівні | #рівні; #ifexpr: "
        "#якщовираз; #iferror: #якщопомилка | #еслиошибка; #switch: #вибірка | #переключатель; #default: #інакше "
        "| #за замовчуванням | #умолчание; #ifexist: #якщоіснує"
    ),
}


def _names(told: str) -> Mapping[str, str]:
    found = {}
    for entry in told.split("; "):
        english, _, names = entry.partition(": ")
        found.update(dict.fromkeys(names.split(" | "), english))
    return MappingProxyType(found)


FUNCTIONS: Final[Mapping[str, Mapping[str, str]]] = MappingProxyType(
    {language: _names(told) for language, told in _LOCAL.items()}
)
"""English names by the local ones, for each language that has any."""
