r"""What a submission's own style and class files define, for the paper that loads them.

Authors keep macros in packages and classes of their own. Journals' and CTAN's files, which authors bundle too, are the
layout's business: they are known by name (`is_known`) and left alone, so that `\arcsec` or `\citep` stay what readers
of LaTeX know. Of a file that is not known only the definitions count, never its code.
"""

from __future__ import annotations

import re

from filters.latex import names
from filters.latex.definitions import HANDLERS, State
from filters.latex.tokens import AT, WORD, protect, restore, words

# A longer file is a program, not a collection of macros. In characters.
STYLE_LIMIT = 300_000

# Files that arXiv submissions carry along, without version numbers (from the names of journals' and CTAN's packages).
_KNOWN = words(
    """
    aa aaai aaspp aasms aas_macros aastex aasjournal acl acl_natbib aclart acm acmart acm_proc_article-sp acmtrans agu
    agujournal agutex aiaa aipproc aipxfm amsart amsbook amscls amsproc amsppt apj apjfonts ascelike asl asme atlasdoc
    autart biometrika birkjour birkmult bmcart bmvc cfp cimart cmp colm conf corl cvpr degruyter dmtcs easychair eccv
    ecai eg egpubl eisart elife els elsart elsarticle emnlp emulateapj epj epl eptcs espcrc esub euler eusflat forma
    frontiers frontiersscns gji gretsi iccv iclr icml icmlart ieee ieeeconf ieeeaccess ieeetran ieeetrantools ifacconf
    ifacmtg ijcai imsart informs interact interspeech iop iopams iopart ipsj isprs isit jabbrv jasa jasatex jcappub jfm
    jhep jheppub jinst jmlr jmlre jpsj kluwer l4dc lipics lics llncs llncsdoc lncs lni lrec ltexpprt mdpi miccai midl
    mn mnras mnrasl mproc naaclhlt nature naturemag neurips nips nws nuphys pasa pasj pasp pnas pos prop proc-l
    procicml ptephy quantumarticle revsymb revtex revtex4 rsos rsproca rspublic rsta sagej scipost scrartcl scrbook
    siamart siamltex siamonline sig-alternate sigplanconf sn-jnl soul spie spconf spr-mp-nameyear svglov svjour svmult
    svmono tac tacl tufte-book uai usenix vldb vmcai wacv webofc wiley wlpeerj wlscirep world_sci ws-ijmpa ws-ijmpd
    ws-mpla ws-procs www yjsco
    adjustbox afterpage algc algcompatible algorithm algorithmic algorithmicx algorithm2e algpascal algpseudocode alltt
    amsbsy amscd amsfonts amsgen amsmath amsopn amssymb amstex amstext amsthm amsxtra animate appendix arxiv arydshln
    authblk axodraw babel balance bbm bbold bm booktabs boxedminipage braket breakurl bussproofs calc calrsfs cancel
    caption ccaption changebar changepage chngcntr cite cleveref colortbl color comment csquotes ctable cuted curves
    dashbox dblfloatfix dcolumn diagbox diagrams doi dsfont eepic empheq endfloat enumerate enumitem environ epic epsf
    epsfig epstopdf etex etoolbox eucal eufrak eulervm eurosym everypage everyshi exscale fancybox fancyhdr fancyvrb
    feynmf feynmp feynarts fix2col fixltx2e flafter float floatflt floatrow flushend fontenc footmisc footnote fullpage
    geometry graphics graphicx graphpap harvard harvmac hhline hyperref hypcap hypernat hyphenat ifpdf ifthen
    indentfirst inputenc jheptitle keyval lastpage latexsym lettrine lineno linguex listings listofitems lscape
    lmodern longtable lucimatx makecell makeidx manyfoot marvosym mathbbol mathdots mathpartir mathptm mathptmx
    mathrsfs mathtools mcite mciteplus mdframed mdwlist mdwmath mdwtab microtype minted morefloats moreverb multibib
    multicol multirow natbib nicefrac ntheorem numcompress overpic pb-diagram paralist parskip pbox pdflscape
    pdfpages pgf pgfplots picinpar physics pict2e pifont placeins prettyref proof psfig psfrag pslatex pst-all
    pst-node pst-plot pstricks ptmx qcircuit qtree ragged2e rcs relsize rotate rotating rotfloat savesym savetrees
    setspace showkeys showyourwork sidecap siunitx slashed slashbox soulutf8 srcltx stackrel stfloats stmaryrd
    subeqn subeqnarray subfig subfigmat subfigure subfiles supertabular tabularx tabulary tcolorbox tensor textcomp
    textpos thm-restate thmtools threeparttable tikz tikz-cd times titlesec titletoc titling tocbibind tocloft todonotes
    totcount totpages trackchanges txfonts type1cm ulem undertilde units upgreek url verbatim vmargin
    wasysym wrapfig xargs xcolor xfrac xifthen xkeyval xparse xr xspace xstring xy xypic youngtab yfonts
    """
)
# "aastex631", "neurips_2023", "IEEEtran-v1.8b", "icml2020_style": years, versions, and what a venue adds.
# Characters; no package of either list has a name of 40.
NAME_LIMIT = 100
_ADDITION = re.compile(r"[-_](?:final|style|author|preprint|conference|camera_?ready)$")
_VERSION = re.compile(r"[-_.]?v?\d[\d._-]*[a-z]?$")
# A package's code may set switches again, and only TeX knows whether it does.
_NOT_TAKEN = words(
    "newif newtoggle newbool newboolean togglefalse boolfalse toggletrue booltrue settoggle setbool setboolean"
)
_DEFINES = re.compile(rf"\\({'|'.join(sorted(HANDLERS.keys() - _NOT_TAKEN))})(?![A-Za-z\x01])")


def is_known(package: str) -> bool:
    """Tell whether a package or class (a name without suffix or folder) is a journal's or CTAN's."""
    if len(package) > NAME_LIMIT:
        return False
    name = _ADDITION.sub("", package.lower())
    return name in _KNOWN or _VERSION.sub("", name) in _KNOWN


def definitions(style: str) -> str:
    r"""Return the definitions of a style or class file, as a text that gives "@" its meaning there.

    The rest of its code (options, conditionals, layout) is left out. Definitions that need TeX itself are among them,
    and each other name that it defines as `\let\x\x`, so that their names are reported where they are left.
    """
    protected = protect("\\makeatletter\n" + style)
    text, found, position, state = protected.text, [], 0, State()
    while match := _DEFINES.search(text, position):
        end = HANDLERS[match[1]](state, text, match.end())
        position = end or match.end()
        if end is not None:
            found.append(text[match.start() : end])
    others = sorted(names.defined(text) - state.defined)
    found += (f"\\let\\{name}\\{name} " for name in others if re.fullmatch(WORD, name))
    if not found:
        return ""
    # The mark of a letter "@" becomes "@" here and a letter again when the whole paper is read.
    listed = "\n".join(found).replace(AT, "@")
    return restore(f"\\makeatletter\n{listed}\n\\makeatother", protected.kept, STYLE_LIMIT)
