"""Personal information: what is masked, what looks like it and is not, and lists of sites."""

import re
import time
from pathlib import Path

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from filters.web.personal_info import EMAIL_MASK, IP_MASK, TELEPHONE_MASK, Masked, Reason, Sites, host_of, mask, masked
from tests.slowness import slowness

EMAILS = [
    "ann.lee+news@example.com",
    "ann@mail.example.co.uk",
    "ANN_LEE@EXAMPLE.ORG",
    "o'neill@example.ie",
    "12345@qq.com",
    "ann@163.com",
    "jürgen@müller.de",
    "a%b@xn--mller-kva.example",
    "{ann,bob}@cs.example.edu",
    "x@example.museum",
]


@pytest.mark.parametrize("address", EMAILS)
@pytest.mark.parametrize(
    "frame", ["Write to {}.", "<{}>", "mailto:{}?subject=x", "E-mail:{}, or call", "请联系{}谢谢", "{}"]
)
def test_emails_are_masked(address: str, frame: str) -> None:
    assert masked(frame.replace("{}", address)) == Masked(frame.replace("{}", EMAIL_MASK), emails=1)


IP_ADDRESSES = [
    "85.214.132.117",
    "130.149.7.201",
    "8.34.200.9",
    "2001:4860:4860::8888",
    "2a00:1450:4001:0820:0000:0000:0000:200e",
    "2606:4700::1111",
]


@pytest.mark.parametrize("address", IP_ADDRESSES)
@pytest.mark.parametrize("frame", ["from {} at noon", "[{}]", "IP: {},", "{}.", "ssh://{}/x", "{}-{}"])
def test_ip_addresses_are_masked(address: str, frame: str) -> None:
    text = frame.replace("{}", address)
    assert masked(text) == Masked(frame.replace("{}", IP_MASK), ip_addresses=frame.count("{}"))


@pytest.mark.parametrize("text", ["IP address 4.3.2.1", "http://4.3.2.1:8080/", "the host 4.3.2.1", "ip=4.3.2.1"])
def test_a_word_before_it_makes_small_numbers_an_address(text: str) -> None:
    assert mask(text) == text.replace("4.3.2.1", IP_MASK)


TELEPHONES = [
    "+49 30 1234567",
    "+49 (0)30 1234567",
    "+49-30-123456-78",
    "+491711234567",
    "+1 (555) 234-5678",
    "+1.555.234.5678",
    "+33 1 23 45 67 89",
    "+86 138 0013 8000",
    "(555) 234-5678",
    "(555) 234 5678",
    "555-234-5678",
    "555.234.5678",
    "1-800-555-0199",
    "212 555-0187",
    "(030) 123 4567",
    "020 7946 0958",
    "01632 960123",
    "0161 496 0000",
]


@pytest.mark.parametrize("number", TELEPHONES)
@pytest.mark.parametrize("frame", ["Call {} now", "{}.", "({})", "Tel.: {}, fax", "tel:{}", "{}"])
def test_telephone_numbers_are_masked(number: str, frame: str) -> None:
    assert masked(frame.replace("{}", number)) == Masked(frame.replace("{}", TELEPHONE_MASK), telephones=1)


@pytest.mark.parametrize(
    "text",
    [
        "Tel. {030/1234567}",
        "Tél : {01 23 45 67 89}",
        "Phone: {5552345}",
        "phone number: {555-2345}",
        "Fax {555 2345}",
        "☎ {0171 1234567}",
        "Телефон: {8 495 123-45-67}",
        "电话：{010-12345678}",
        "Teléfono: {91 123 45 67}",
        "mobile: {07700900123}",
        "Handy {0171/1234567}",
    ],
)
def test_a_word_before_it_makes_a_number_a_telephone(text: str) -> None:
    assert mask(text.replace("{", "").replace("}", "")) == re.sub(r"\{.*\}", TELEPHONE_MASK, text)


LOOK_ALIKES = [
    # versions and sections
    "Version 1.2.3.4 is out",
    "v85.34.101.99 and libfoo-85.34.101.99",
    "Chrome/88.0.4324.150 Firefox/85.34.101.99",
    "1.2.3.4 and 3.5.0.55, 10.0.19041.1",
    "see section 4.3.2.1 and § 85.34.101.99",
    "build 6.1.7601.17514",
    "1.3.6.1.4.1.311.21.20",
    "package@1.2.3-beta.rc and lodash@4.17.21",
    # addresses of no one
    "127.0.0.1, 192.168.178.34, 10.45.67.89, 172.16.99.99, 255.255.255.0, 203.0.113.77, 0.0.0.0",
    "256.300.400.500 and 085.034.101.099",
    "fe80::1, ::1, 2001:db8::ff00:42:8329, dead::beef",
    # times, hardware addresses, names
    "12:34:56 and 2019:04:20 10:11:12",
    "00:1A:2B:3C:4D:5E 20:1A:2B:3C:4D:5E",
    "std::vector<int>::iterator a::b::c",
    # ISBN, ISSN, other numbers of things
    "ISBN 978-3-16-148410-0 and 0-306-40615-2",
    "ISBN: 316-548-4100, ISBN-10 555-234-5678",
    "ISSN 2049-3630",
    "doi:10.1000/182 and arXiv:1904.12345v2",
    "order no. 555-234-5678, model 555.234.5678",
    # dates, years, pages
    "2019-04-20, 20.04.2019, 04/20/2019, 2019-04-20T10:11:12Z",
    "Tel Aviv 1948-1973, phone 2019-04-20, mobile 2017 2018 2019",
    "pp. 1234-1240 and 1999-2003",
    # decimal numbers, prices, tables
    "3.14159265358979, +1.23456789012, -0.000123456",
    "$1,234,567.89 and € 555-234-5678 and 1 234 567 890",
    "1 000 000 000 and 200 300 4000 and 1.000.000,00",
    "012 3456 7890 1234 5678",
    "+12345678 votes, +100 points, 2+3456789012",
    "6.02214076e+23",
    # formulas and code
    r"$x_{12}^{34} + 1234567890 \cdot 10^{+1234567890}$",
    r"\begin{tabular} 1 & 2.345 & 678 \\ \foo@bar.baz",
    "x = 5552345678; y[0x7fff5fbff8a0] = 1e10",
    "W@x.mean() and a@b.shape and @app.route('/') and @Override",
    "git@github.com:llama/alpaca.git and root@server.example.com:~/x",
    "https://user:password@example.com/ and icon@2x.png",
    "user @ example . com, @herder, me@localhost",
    "https://example.com/555-234-5678/a?id=5552345678",
    # digests and identifiers
    "d41d8cd98f00b204e9800998ecf8427e 550e8400-e29b-41d4-a716-446655440000",
    "4111 1111 1111 1111 and 123-45-6789",
    "phone 3000000 people, cell 1234567",
    "",
]


@pytest.mark.parametrize("text", LOOK_ALIKES)
def test_what_only_looks_like_it_stays(text: str) -> None:
    assert masked(text) == Masked(text)


def test_all_kinds_are_counted() -> None:
    text = "Ann: ann@example.com, bob@example.com, 85.214.132.117, tel. 030 1234567, +49 30 1234567, 555-234-5678"
    found = masked(text)
    assert (found.emails, found.ip_addresses, found.telephones) == (2, 1, 3)
    assert found.text == (
        f"Ann: {EMAIL_MASK}, {EMAIL_MASK}, {IP_MASK}, tel. {TELEPHONE_MASK}, {TELEPHONE_MASK}, {TELEPHONE_MASK}"
    )
    assert mask(text) == found.text


PIECES = [
    "@",
    "a",
    ".",
    "example.com",
    "1",
    "555",
    "-",
    " ",
    "(",
    ")",
    "+",
    "85.214.132.117",
    ":",
    "2001",
    "tel",
    "{",
    "}",
]


@settings(deadline=None, max_examples=300)
@given(st.lists(st.sampled_from(PIECES), max_size=30).map("".join) | st.text(max_size=60))
@example("+1 (555) 555-0100+1 (555) 555-0100")
def test_masking_again_changes_nothing_and_takes_anything(text: str) -> None:
    once = masked(text)
    assert mask(once.text) == once.text
    assert (once.text == text) == (once.emails + once.ip_addresses + once.telephones == 0)


@pytest.mark.parametrize(
    "piece",
    [
        "a",
        "1",
        "@",
        "a@",
        "a.",
        "a@a.",
        "1.",
        "1 ",
        "(1",
        "+",
        "+1 ",
        "2001:",
        ":",
        "{a,",
        "}@a.b ",
        "tel ",
        "(",
        "5-",
        "@a-",
    ],
)
def test_hostile_text_takes_linear_time(piece: str) -> None:
    text = piece * (1_000_000 // len(piece))
    started = time.process_time()
    mask(text)
    assert time.process_time() - started < 8 * slowness()


# --- sites -----------------------------------------------------------------------------------------------------------

SITES = Sites(["people.example", "directory.example.org", "xn--bcher-kva.example"])


@pytest.mark.parametrize(
    "url",
    [
        "https://people.example/",
        "http://WWW.People.Example:8080/a?b=c",
        "https://a.b.people.example/x",
        "http://user@people.example/",
        "http://people.example./",
        "http://directory.example.org",
        "http://bücher.example/",
    ],
)
def test_pages_of_listed_sites_are_dropped(url: str) -> None:
    assert SITES.reason(url) is Reason.PERSONAL_INFORMATION_SITE


@pytest.mark.parametrize(
    "url",
    [
        "https://example.org/people.example",
        "http://notpeople.example/",
        "http://people.example.com",
        "http://example/",
        "",
        None,
        "mailto:a@people.example",
        "http://[::1/",
        "http://" + "a." * 5000,
    ],
)
def test_others_stay(url: str | None) -> None:
    assert SITES.reason(url) is None


def test_lists_have_comments_and_wrong_lines_are_named(tmp_path: Path) -> None:
    path = tmp_path / "sites.txt"
    path.write_text("# a comment\n\nPeople.example  # with one\nbücher.example.\n", encoding="utf-8")
    sites = Sites.load(path)
    assert sites.reason("http://x.people.example/") and sites.reason("http://xn--bcher-kva.example")
    path.write_text("people.example\nhttps://people.example/\n")
    with pytest.raises(ValueError, match=r"sites\.txt, line 2: 'https://people\.example/' is not a host"):
        Sites.load(path)


def test_hosts() -> None:
    assert host_of(" HTTP://Example.ORG/ ") == "example.org"
    assert host_of("no url") == ""
