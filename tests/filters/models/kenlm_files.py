"""Language models as KenLM's build_binary writes them, and what KenLM does with each byte of one changed.

Made of ARPA, an order of 3 over five words, by KenLM's own program: `build_binary probing`, `trie`, `-q 2 -b 2 trie`
and `-a 4 trie`. `python -m tests.filters.models.kenlm_files FOLDER` opens all that the check accepts, in a process of
its own, since what the check misses ends it.
"""

import base64
import sys
import zlib
from pathlib import Path

import kenlm

from filters.models import kenlm_file

WORDS = ("salt", "lake", "wind", "plain", "llama")
TEXT = "salt lake wind </s> <s> other lake plain llama llama salt"


def unpacked(text: str) -> bytes:
    """Return the file."""
    return zlib.decompress(base64.b85decode(text))


PROBING = unpacked(
    "c-qU&O)OBz$yLZGDJihh*U!#KO-"
    "##7%}LQq&d=3P&QD2INXswEO)OC;OD!tS%+FIW<zhg9274f}pAks>2Lg}?BUFYNOdhaD7UO`@yil5l0TqDc3+fd2TDFzK^}xWVqJrmJt;_wG(Z"
    "n+pR*LDy=eDvi;0D&87v16Gb!lb;vS;|G&9S*#-NFiFKfD%J!E)?TB|DJKmGk{$ZSjL_CN#Y|f*Jck9tE*yD@g4J@<D!T=zSY%KU-neK6HA;Dh"
    "n_TQU{_Lhy=6$Eu6BQ@%JhTE)}poj!#S(EgOx6mA!u3nRtHLw`&=5pVX>-"
    "+e|OXf#vs4GLy>ll<73BV+8Z3N1A4(Y*;cseyi7h5MLp7%D%1%HrgQbK<;fUdi$Zax~A3sxcR>4Chq&~67Hxjh)q?1nP)9hIDbZ3h;g4{gB?h{"
    "(c-(c<tDw>xsm6<{7!}!;a*F<cEQ|dyJq>JmmY#fY=WX-"
    "{+iy~BFu?tYhdOv&>2`92@Rhb^vP3UTL_BXYG2y<{@6~;+x8=5@4l9I(t&aZrhg7C+P7AF`ttw$%n{dCN1&*G)~3EpDr<N27fFSEYk#mDd+I9j"
    "Ks!rfzeH+;b!3C4<n9{lea$&3N595AFVAjzu#b=P+pWr1CuV`zEmLIf&t;i1#p1^8y=4uRtN21HeuCU{=+y>|!%8s~ATw=B^Rn$2Y>I(cA4n7@"
    "=9DnxBxa{FlxOCpFcjn@X67;E<Rs=MG5`Rz2KjU"
)
TRIE = unpacked(
    "c-qU&O)OBz$yLZGDJihh*U!#KO-"
    "##7%}LQq&d=3P&QD2INXswEO)OC;OD!tS%+FIW<zhg9274f}pAks>2Lg}?BUFYNOdhajf{KAK2ULz1O7kF@#15qk>J;}{wv{q`Dk^xs)w<k|E9"
    "d*i+TsV<53hw)upE0-Y5jT89X?){<{AEJb8PNbw`3@+6w{5*ZH1YmBbc!t<S-<o8D=X;?T4{@--"
    "hm=tuSjJx_TxgK1iMw%3ra{0?g+?)6a><=Vm|!ybRdE$KsmD*2^t_wXUA{?MH4?#xJI=sg}P%GK*!L8EQdJNtWPJ0fno>B&q!k_tiR<<qNhkoy"
    "-?@xqO|+x$((%&P6Y)(**)Q-e$S@<>-"
    "%9p}#=JJiF>q{m0DFq&C=X%C}k*&oBG3OfSjp_Z9HH5AzB%PJn<d$@{7BFCGE;i|GwN_}Hs=muELU*mwKs?T<6RYE658jpbnNrbTTZC;!y4jKA"
    "?H_$$+qX{XqcePL6Ymu<&jQ*6gjoS0L>V51LY<>VyhCNdP{BxdF@lxOCpFytg=r!oKl)<>=5"
)
QUANTISED = unpacked(
    "c-qU&O)OBz$yLZGDJihh*U!#KO-"
    "##7%}LQq&d=3P&QD2INXswEO)OC;OD!tS%+FIW<zhg9274f}pAks>2Lg}?BUFYNOdhajhKhkO2ULz1O7kF@#15qk>J;}{wv{q`Dk^xs)w<k|E9"
    "d*i+TsV<53hw)upE0-Y5jT89X?){<{AEJb8PNbw`3@+6w{5*ZH1Y`#KZ)qZ@o3x-`KCPU-h)$e*LVK`#_EbiEFXk-8Wld*1i;v-"
    "}`<%kKgBd#A@G_rt5ok1T*%-"
    ")WE=O1*!cocJJHJ{UCiXK1@9m5+5Yb3gxd@WdY`Mpy}sC<8w2h0$v8};9&v#kw6<amFSYR^6e6n%QaV(aUXz5PV=~TJX5ww#2v2OrZg|xj=`qb"
    "j-fa)r-Z>qAIQqdNz6@TD9B07%ws6e%u8X&Nz6`V002Slf2R"
)
COMPRESSED = unpacked(
    "c-qU&O)OBz$yLZGDJihh*U!#KO-"
    "##7%}LQq&d=3P&QD2INXswEO)OC;OD!tS%+FIW<zhg9274f}pAks>2Lg}?BUFYNOdhajfr^1J2ULz1O7kF@#15qk>J;}{wv{q`Dk^xs)w<k|E9"
    "d*i+TsV<53hw)upE0-Y5jT89X?){<{AEJb8PNbw`3@+6w{5*ZH1YmBbc!t<S-<o8D=X;?T4{@--"
    "hm=tuSjJx_TxgK1iMw%3ra{0?g+?)6a><=Vm|!ybL%13s%vO#Wjzums|d7T|M#JkKCq=Urbw5Eq{Y#7Rxv@)Ph`?EWxD$3T}r<Qu`b3t92~P7i"
    "?oXnJ?^e`8tnt<CE>2i(Xcz3j}_=&2sU}(I2Zqe}Rm7cGaW$kC~%MZLr&vZ?z_#U-"
    "o60UXt7IE8u${=0j*y0RdZ*_fz3tJOc6;(;I&9u~+Xd&u)6K@AlK%A7_5mn)d!0%fZ@Bi`qU;{;6ddf8$Z`SEeJ=PO&5V!lpDY+m6Ae*p8t%F{"
    "gyVMjyz^$w|yjWGKi<%*<mb&&*3<$VtpjWdH#Al&$F"
)
BINARY = {"probing": PROBING, "trie": TRIE, "quantised": QUANTISED}


def scores(path: Path) -> list[float]:
    """Return what KenLM says of some texts."""
    config = kenlm.Config()
    config.show_progress, config.arpa_complain = False, kenlm.ARPALoadComplain.NONE
    model = kenlm.Model(str(path), config)
    return [model.score(text) for text in (TEXT, *WORDS, " ".join(WORDS))]


def main() -> None:
    """Change each byte of each model in four ways; print how many were refused, and how many KenLM read."""
    folder = Path(sys.argv[1])
    refused = read = 0
    for name, content in BINARY.items():
        path = folder / name
        for place in range(len(content)):
            for value in {0, 255, content[place] ^ 1, content[place] ^ 128} - {content[place]}:
                path.write_bytes(content[:place] + bytes([value]) + content[place + 1 :])
                try:
                    kenlm_file.check(path)
                except ValueError:
                    refused += 1
                    continue
                read += 1
                try:
                    scores(path)
                except (OSError, UnicodeDecodeError):
                    refused += 1
    print(refused, read)


if __name__ == "__main__":
    main()
