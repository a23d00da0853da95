"""Writes filters/wikitext/behaviours/territories.tsv: what countries are called in 20 languages, and their codes.

Usage: `python benchmarks/territories.py [--output DIR]`. The names are those of Unicode's CLDR, taken from Babel, which
is installed for this alone under the output folder; the codes are ISO 3166's and, where they differ, those of the
Olympic committee and of FIFA, which Wikipedia's flags are named by.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from importlib import import_module
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from benchmarks.peers import Peer, environment, run_script
from filters.wikitext.names import LANGUAGES

PACKAGE = Peer("territories", "territories.py", ("babel==2.18.0",))
TARGET = Path("filters/wikitext/behaviours/territories.tsv")
# Codes of the International Olympic Committee and of FIFA that are not ISO's of three letters.
SPORTS = (
    "ALG:DZ ANG:AO ANT:AG ARU:AW ASA:AS BAH:BS BAN:BD BAR:BB BER:BM BHU:BT BIZ:BZ BOT:BW BRU:BN BUL:BG BUR:BF CAM:KH "
    "CAY:KY CHA:TD CHI:CL CGO:CG CRC:CR CRO:HR DEN:DK ESA:SV FIJ:FJ GAM:GM GBS:GW GEQ:GQ GER:DE GRE:GR GRN:GD GUA:GT "
    "GUI:GN HAI:HT HON:HN INA:ID IRI:IR ISV:VI IVB:VG KOS:XK KSA:SA KUW:KW LAT:LV LBA:LY LES:LS LIB:LB MAD:MG MAS:MY "
    "MAW:MW MGL:MN MON:MC MRI:MU MTN:MR MYA:MM NCA:NI NED:NL NEP:NP NGR:NG NIG:NE OMA:OM PAR:PY PHI:PH PLE:PS POR:PT "
    "PUR:PR ROM:RO RSA:ZA SAM:WS SEY:SC SIN:SG SKN:KN SLO:SI SOL:SB SRI:LK SUD:SD SUI:CH TAN:TZ TGA:TO TOG:TG TPE:TW "
    "TRI:TT UAE:AE URU:UY VAN:VU VIE:VN VIN:VC ZAM:ZM ZIM:ZW PRC:CN UK:GB USA:US"
)
# CLDR's names of these tell their status, which no article does.
LEFT_OUT = frozenset({"HK", "MO", "EU", "UN", "EZ", "QO", "ZZ", "XA", "XB"})


def table() -> dict[str, list[str]]:
    """Return, by ISO's code of two letters, the other codes and the names; run where Babel is."""
    locale, get_global = import_module("babel").Locale, import_module("babel.core").get_global
    codes: dict[str, set[str]] = {}
    for alias, targets in get_global("territory_aliases").items():
        if len(alias) == 3 and alias.isalpha() and len(targets) == 1:
            codes.setdefault(targets[0], set()).add(alias)
    for pair in SPORTS.split():
        code, _, territory = pair.partition(":")
        codes.setdefault(territory, set()).add(code)
    names = [locale(language).territories for language in LANGUAGES]
    return {
        code: [",".join(sorted(codes.get(code, ()))), *(found.get(code, "") for found in names)]
        for code in sorted(names[0])
        if len(code) == 2 and code not in LEFT_OUT
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("file", nargs="?", help="the settings that the environment with Babel is run with")
    parser.add_argument("--output", type=Path, help="where Babel is installed (default: a temporary folder)")
    arguments = parser.parse_args()
    if arguments.file:
        print(json.dumps(table()))
        return
    with tempfile.TemporaryDirectory() as temporary:
        output = arguments.output or Path(temporary)
        found = run_script(environment(PACKAGE, output), PACKAGE.script, "here")
    rows = ["\t".join(("code", "codes", *LANGUAGES)), *("\t".join((code, *row)) for code, row in found.items())]
    TARGET.write_text("\n".join(rows) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
