/* The loops over characters of the two web chains: lines stripped, normalised and hashed; lines removed; C4's prose.

   Each function gives what its twin in Python gives (filters/web/paragraphs.py, filters/web/c4.py), or NOT_HERE for the few
   pages that only Python decides (a sigma whose lower case depends on its neighbours, digits of other scripts in
   brackets). Text is valid UTF-8 without surrogates; offsets and sizes are bytes unless they are called characters. No
   function keeps anything, so that threads need no lock. `python -m filters.native.binding` compiles this file.

   Sources: SHA-1 and MD5 by RFC 3174 and RFC 1321; white space is that of Python's str.strip. */

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#if defined(__x86_64__) && defined(__GNUC__)
#include <cpuid.h>
#include <immintrin.h>
#define HAS_SHA_INSTRUCTIONS 1
#endif

enum { NOT_HERE = -1, NO_MEMORY = -2, ONLY_PROSE = -3 };
enum { REMOVE_NUL = 1, ADD_LAST_LINE = 2, LOSE_ZERO = 4, LOSE_HEADERS = 8 };

static const uint32_t GONE = 0x110000;     /* in a table of characters: deleted */
static const uint32_t CONTEXTUAL = 0xD800; /* in a table of characters: only Python knows */

enum { MAX_WORD_CHARACTERS = 1000, MIN_WORDS = 5 }; /* C4's */

typedef struct {
    const uint8_t *start, *end;
} span;

/* UTF-8 */

static inline uint32_t decode(const uint8_t **at) {
    const uint8_t *p = *at;
    uint32_t c = *p;
    if (c < 0x80) {
        *at = p + 1;
        return c;
    }
    if (c < 0xE0) {
        *at = p + 2;
        return (c & 0x1F) << 6 | (p[1] & 0x3F);
    }
    if (c < 0xF0) {
        *at = p + 3;
        return (c & 0x0F) << 12 | (uint32_t)(p[1] & 0x3F) << 6 | (p[2] & 0x3F);
    }
    *at = p + 4;
    return (c & 0x07) << 18 | (uint32_t)(p[1] & 0x3F) << 12 | (uint32_t)(p[2] & 0x3F) << 6 | (p[3] & 0x3F);
}

static inline uint8_t *encode(uint8_t *to, uint32_t c) {
    if (c < 0x80) {
        *to++ = (uint8_t)c;
    } else if (c < 0x800) {
        *to++ = (uint8_t)(0xC0 | c >> 6);
        *to++ = (uint8_t)(0x80 | (c & 0x3F));
    } else if (c < 0x10000) {
        *to++ = (uint8_t)(0xE0 | c >> 12);
        *to++ = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        *to++ = (uint8_t)(0x80 | (c & 0x3F));
    } else {
        *to++ = (uint8_t)(0xF0 | c >> 18);
        *to++ = (uint8_t)(0x80 | (c >> 12 & 0x3F));
        *to++ = (uint8_t)(0x80 | (c >> 6 & 0x3F));
        *to++ = (uint8_t)(0x80 | (c & 0x3F));
    }
    return to;
}

static inline int continues(uint8_t byte) { return (byte & 0xC0) == 0x80; }

static int64_t characters(span s) {
    int64_t count = 0;
    for (const uint8_t *p = s.start; p < s.end; p++) count += !continues(*p);
    return count;
}

static inline int is_space(uint32_t c) {
    if (c < 0x80) return c == ' ' || (c >= 9 && c <= 13) || (c >= 0x1C && c <= 0x1F);
    return c == 0x85 || c == 0xA0 || c == 0x1680 || (c >= 0x2000 && c <= 0x200A) || c == 0x2028 || c == 0x2029 ||
           c == 0x202F || c == 0x205F || c == 0x3000;
}

static span strip(span s) {
    while (s.start < s.end) {
        const uint8_t *next = s.start;
        if (!is_space(decode(&next))) break;
        s.start = next;
    }
    while (s.start < s.end) {
        const uint8_t *last = s.end - 1;
        while (continues(*last)) last--;
        const uint8_t *at = last;
        if (!is_space(decode(&at))) break;
        s.end = last;
    }
    return s;
}

/* Lines */

/* The next line of [*at, end), which ends with LF, CR or CRLF; *at goes behind its end, and behind `end` with the last. */
static span next_line(const uint8_t **at, const uint8_t *end) {
    span line = {*at, *at};
    while (line.end < end && *line.end != '\n' && *line.end != '\r') line.end++;
    *at = line.end + 1;
    if (line.end + 1 < end && line.end[0] == '\r' && line.end[1] == '\n') ++*at;
    return line;
}

/* Whether a byte may begin what ends a line for Python's str.splitlines. */
static const uint8_t may_split[256] = {[0x0A] = 1, [0x0B] = 1, [0x0C] = 1, [0x0D] = 1, [0x1C] = 1,
                                       [0x1D] = 1, [0x1E] = 1, [0xC2] = 1, [0xE2] = 1};

/* The same for the lines that str.splitlines sees; a text that ends with a line's end has no empty one more. */
static span next_split_line(const uint8_t **at, const uint8_t *end) {
    const uint8_t *p = *at;
    while (p < end) {
        if (!may_split[*p]) {
            p++;
            continue;
        }
        const uint8_t *next = p;
        uint32_t c = decode(&next);
        if ((c >= 10 && c <= 13) || (c >= 0x1C && c <= 0x1E) || c == 0x85 || c == 0x2028 || c == 0x2029) {
            span line = {*at, p};
            *at = c == '\r' && next < end && *next == '\n' ? next + 1 : next;
            return line;
        }
        p = next;
    }
    span line = {*at, p};
    *at = end;
    return line;
}

/* Writes a line behind the `count` lines before it; it may lie in the same memory, there or further on. */
static uint8_t *append(uint8_t *to, int64_t count, span line) {
    if (count) *to++ = '\n';
    size_t size = (size_t)(line.end - line.start);
    memmove(to, line.start, size);
    return to + size;
}

/* The next line of [*at, end), which ends with LF only; *at goes behind its end, and behind `end` with the last. */
static span next_fed_line(const uint8_t **at, const uint8_t *end) {
    const uint8_t *feed = *at < end ? memchr(*at, '\n', (size_t)(end - *at)) : NULL;
    span line = {*at, feed ? feed : end};
    *at = line.end + 1;
    return line;
}

/* Writes a line as the table has its characters; NULL where the table does not know. */
static uint8_t *map_line(span line, const uint32_t *table, uint8_t *to) {
    for (const uint8_t *p = line.start; p < line.end;) {
        uint32_t c = table[decode(&p)];
        if (c == GONE) continue;
        if (c == CONTEXTUAL) return NULL;
        to = encode(to, c);
    }
    return to;
}

/* A text without its NUL characters, in `to`. */
static span without_nul(span text, uint8_t *to) {
    span clean = {to, to};
    for (const uint8_t *p = text.start; p < text.end; p++)
        if (*p) *to++ = *p;
    clean.end = to;
    return clean;
}

/* SHA-1 and MD5 */

static inline uint32_t left(uint32_t x, int n) { return x << n | x >> (32 - n); }
static inline uint32_t big(const uint8_t *p) {
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}
static inline uint32_t little(const uint8_t *p) {
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

static void sha1_block(uint32_t h[5], const uint8_t *block) {
    uint32_t w[80], a = h[0], b = h[1], c = h[2], d = h[3], e = h[4];
    for (int i = 0; i < 16; i++) w[i] = big(block + 4 * i);
    for (int i = 16; i < 80; i++) w[i] = left(w[i - 3] ^ w[i - 8] ^ w[i - 14] ^ w[i - 16], 1);
#define ROUNDS(from, to, function, constant)                                 \
    for (int i = from; i < to; i++) {                                        \
        uint32_t t = left(a, 5) + (function) + e + w[i] + constant;          \
        e = d, d = c, c = left(b, 30), b = a, a = t;                         \
    }
    ROUNDS(0, 20, (b & c) | (~b & d), 0x5A827999u)
    ROUNDS(20, 40, b ^ c ^ d, 0x6ED9EBA1u)
    ROUNDS(40, 60, (b & c) | (b & d) | (c & d), 0x8F1BBCDCu)
    ROUNDS(60, 80, b ^ c ^ d, 0xCA62C1D6u)
#undef ROUNDS
    h[0] += a, h[1] += b, h[2] += c, h[3] += d, h[4] += e;
}

#ifdef HAS_SHA_INSTRUCTIONS
static int has_sha_instructions(void) {
    static int known = -1; /* every thread finds the same */
    if (known < 0) {
        unsigned a, b, c, d;
        int ok = __get_cpuid(1, &a, &b, &c, &d) && c & bit_SSSE3 && c & bit_SSE4_1;
        known = ok && __get_cpuid_count(7, 0, &a, &b, &c, &d) && b & 1u << 29;
    }
    return known;
}

/* Four rounds an instruction: words 4g to 4g + 3 of the schedule in one vector, `before` the state four rounds ago. */
__attribute__((target("sha,sse4.1,ssse3"))) static void sha1_block_fast(uint32_t h[5], const uint8_t *block) {
    const __m128i reversed = _mm_set_epi64x(0x0001020304050607ll, 0x08090a0b0c0d0e0fll);
    const __m128i state = _mm_shuffle_epi32(_mm_loadu_si128((const __m128i *)h), 0x1B);
    const __m128i e = _mm_set_epi32((int)h[4], 0, 0, 0);
    __m128i w[20], now = state, before = state;
    for (int g = 0; g < 4; g++)
        w[g] = _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)(block + 16 * g)), reversed);
    for (int g = 4; g < 20; g++)
        w[g] = _mm_sha1msg2_epu32(_mm_xor_si128(_mm_sha1msg1_epu32(w[g - 4], w[g - 3]), w[g - 2]), w[g - 1]);
#define FIVE(kind)                                                                               \
    for (int g = 5 * kind; g < 5 * kind + 5; g++) {                                              \
        __m128i mixed = g ? _mm_sha1nexte_epu32(before, w[g]) : _mm_add_epi32(e, w[g]);          \
        before = now;                                                                            \
        now = _mm_sha1rnds4_epu32(now, mixed, kind);                                             \
    }
    FIVE(0) FIVE(1) FIVE(2) FIVE(3)
#undef FIVE
    h[4] = (uint32_t)_mm_extract_epi32(_mm_sha1nexte_epu32(before, e), 3);
    _mm_storeu_si128((__m128i *)h, _mm_shuffle_epi32(_mm_add_epi32(now, state), 0x1B));
}
#endif

static void md5_block(uint32_t h[5], const uint8_t *block) {
    static const uint32_t sines[64] = {
        0xd76aa478, 0xe8c7b756, 0x242070db, 0xc1bdceee, 0xf57c0faf, 0x4787c62a, 0xa8304613, 0xfd469501,
        0x698098d8, 0x8b44f7af, 0xffff5bb1, 0x895cd7be, 0x6b901122, 0xfd987193, 0xa679438e, 0x49b40821,
        0xf61e2562, 0xc040b340, 0x265e5a51, 0xe9b6c7aa, 0xd62f105d, 0x02441453, 0xd8a1e681, 0xe7d3fbc8,
        0x21e1cde6, 0xc33707d6, 0xf4d50d87, 0x455a14ed, 0xa9e3e905, 0xfcefa3f8, 0x676f02d9, 0x8d2a4c8a,
        0xfffa3942, 0x8771f681, 0x6d9d6122, 0xfde5380c, 0xa4beea44, 0x4bdecfa9, 0xf6bb4b60, 0xbebfbc70,
        0x289b7ec6, 0xeaa127fa, 0xd4ef3085, 0x04881d05, 0xd9d4d039, 0xe6db99e5, 0x1fa27cf8, 0xc4ac5665,
        0xf4292244, 0x432aff97, 0xab9423a7, 0xfc93a039, 0x655b59c3, 0x8f0ccc92, 0xffeff47d, 0x85845dd1,
        0x6fa87e4f, 0xfe2ce6e0, 0xa3014314, 0x4e0811a1, 0xf7537e82, 0xbd3af235, 0x2ad7d2bb, 0xeb86d391};
    static const int turns[16] = {7, 12, 17, 22, 5, 9, 14, 20, 4, 11, 16, 23, 6, 10, 15, 21};
    uint32_t a = h[0], b = h[1], c = h[2], d = h[3];
#pragma GCC unroll 64
    for (int i = 0; i < 64; i++) {
        uint32_t f;
        int word;
        if (i < 16) {
            f = (b & c) | (~b & d), word = i;
        } else if (i < 32) {
            f = (d & b) | (~d & c), word = (5 * i + 1) & 15;
        } else if (i < 48) {
            f = b ^ c ^ d, word = (3 * i + 5) & 15;
        } else {
            f = c ^ (b | ~d), word = (7 * i) & 15;
        }
        uint32_t t = a + f + sines[i] + little(block + 4 * word);
        a = d, d = c, c = b, b += left(t, turns[i / 16 * 4 + (i & 3)]);
    }
    h[0] += a, h[1] += b, h[2] += c, h[3] += d;
}

enum { SHA1 = 0, MD5 = 1, SLOW_SHA1 = 2 };

/* The first 8 bytes of the digest as a number: SHA-1's little-endian (CCNet's), MD5's big-endian (C4's). */
static uint64_t hash_of(const uint8_t *text, size_t size, int kind) {
    uint32_t h[5] = {0x67452301u, 0xEFCDAB89u, 0x98BADCFEu, 0x10325476u, 0xC3D2E1F0u};
    const int md5 = kind == MD5;
    void (*block)(uint32_t *, const uint8_t *) = md5 ? md5_block : sha1_block;
#ifdef HAS_SHA_INSTRUCTIONS
    if (kind == SHA1 && has_sha_instructions()) block = sha1_block_fast;
#endif
    size_t at = 0;
    for (; size - at >= 64; at += 64) block(h, text + at);
    uint8_t last[128] = {0};
    size_t rest = size - at, length = rest < 56 ? 64 : 128;
    memcpy(last, text + at, rest);
    last[rest] = 0x80;
    for (int i = 0; i < 8; i++) last[md5 ? length - 8 + i : length - 1 - i] = (uint8_t)((uint64_t)size * 8 >> 8 * i);
    block(h, last);
    if (length == 128) block(h, last + 64);
    if (md5) return (uint64_t)__builtin_bswap32(h[0]) << 32 | __builtin_bswap32(h[1]);
    return (uint64_t)__builtin_bswap32(h[1]) << 32 | __builtin_bswap32(h[0]);
}

/* A set of keys, 0 among them */

typedef struct {
    uint64_t *slots, mask;
    int zero;
} key_set;

static int open_set(key_set *set, int64_t most) {
    uint64_t size = 16;
    while (size < 2 * (uint64_t)most) size *= 2;
    set->slots = calloc(size, sizeof *set->slots);
    set->mask = size - 1;
    set->zero = 0;
    return set->slots != NULL;
}

static int is_new(key_set *set, uint64_t key) {
    if (!key) return !set->zero++;
    uint64_t slot = key & set->mask;
    while (set->slots[slot]) {
        if (set->slots[slot] == key) return 0;
        slot = (slot + 1) & set->mask;
    }
    set->slots[slot] = key;
    return 1;
}

static int64_t line_feeds(const uint8_t *text, int64_t size) {
    int64_t count = 0;
    for (int64_t i = 0; i < size; i++) count += text[i] == '\n' || text[i] == '\r';
    return count;
}

/* What is called from Python. `out` has room for size + 2 bytes, `keys` for as many numbers; `found` gets sizes. */

uint64_t altiplano_hash(const uint8_t *text, int64_t size, int kind) { return hash_of(text, (size_t)size, kind); }

/* A text as the table has its characters; found: bytes. */
int64_t altiplano_mapped(const uint8_t *text, int64_t size, const uint32_t *table, uint8_t *out, int64_t *found) {
    const uint8_t *stop = map_line((span){text, text + size}, table, out);
    if (!stop) return NOT_HERE;
    found[0] = stop - out;
    return 0;
}

/* CCNet's paragraphs: the first of each repeated line of a page's body and their keys; found: bytes, characters of the
   body. Returns the number of lines. */
int64_t altiplano_paragraphs(const uint8_t *text, int64_t size, int flags, const uint32_t *table, uint8_t *out,
                             uint64_t *keys, int64_t *found) {
    /* A line in lower case takes at most one and a half times its bytes. */
    uint8_t *clean = malloc((size_t)size * 3 + 8), *scratch = clean ? clean + size + 2 : NULL, *to = out;
    key_set seen;
    if (!clean || !open_set(&seen, line_feeds(text, size) + 2)) {
        free(clean);
        return NO_MEMORY;
    }
    span page = {text, text + size};
    if (flags & REMOVE_NUL && memchr(text, 0, (size_t)size)) page = without_nul(page, clean);
    int64_t count = 0, body = -1, number = 0;
    for (const uint8_t *at = page.start; at <= page.end; number++) {
        span line = strip(next_line(&at, page.end));
        int last = at > page.end;
        if (last && line.start == line.end && number > 1) break; /* what follows the last line's end is no line */
        if (number == 0 && !last) continue;                      /* the title */
        if (number == 0 || (last && line.start == line.end)) line.end = line.start; /* no body: one empty line */
        for (;;) {
            uint8_t *mapped = map_line(line, table, scratch);
            if (!mapped) {
                free(clean), free(seen.slots);
                return NOT_HERE;
            }
            body += characters(line) + 1;
            uint64_t key = hash_of(scratch, (size_t)(mapped - scratch), SHA1);
            if (is_new(&seen, key) && !(flags & LOSE_ZERO && !key)) {
                to = append(to, count, line);
                keys[count++] = key;
            }
            if (!last || !(flags & ADD_LAST_LINE) || line.start == line.end) break;
            line.start = line.end; /* the separator of its record, as CCNet reads it */
        }
    }
    free(clean), free(seen.slots);
    found[0] = to - out, found[1] = body;
    return count;
}

/* A text without the lines at the indices `removed`, in order; found: bytes, lines of the text. Returns the number of
   lines left. */
int64_t altiplano_without(const uint8_t *text, int64_t size, const uint32_t *removed, int64_t count, uint8_t *out,
                          int64_t *found) {
    const uint8_t *at = text, *end = text + size;
    uint8_t *to = out;
    int64_t kept = 0, next = 0, number = 0;
    for (; at <= end; number++) {
        span line = next_fed_line(&at, end);
        if (next < count && removed[next] == number) {
            while (next < count && removed[next] == number) next++;
        } else {
            to = append(to, kept++, line);
        }
    }
    found[0] = to - out, found[1] = number;
    return kept;
}

/* Whether a line begins like a header of the file format, as C4's reader takes it. */
static int is_header(span line) {
    static const char *const prefixes[] = {"WARC", "CONTENT-", "Content-"};
    for (int i = 0; i < 3; i++) {
        size_t length = strlen(prefixes[i]);
        if ((size_t)(line.end - line.start) >= length && !memcmp(line.start, prefixes[i], length)) return 1;
    }
    return 0;
}

/* C4's page: lines stripped, empty ones left out; found: bytes. Returns the number of lines. */
int64_t altiplano_stripped(const uint8_t *text, int64_t size, int flags, uint8_t *out, int64_t *found) {
    span page = {text, text + size};
    uint8_t *to = out, *clean = NULL;
    int64_t count = 0;
    if (flags & REMOVE_NUL && memchr(text, 0, (size_t)size)) {
        if (!(clean = malloc((size_t)size))) return NO_MEMORY;
        page = without_nul(page, clean);
    }
    for (const uint8_t *at = page.start; at <= page.end;) {
        span line = strip(next_line(&at, page.end));
        if (line.start == line.end || (flags & LOSE_HEADERS && is_header(line))) continue;
        to = append(to, count++, line);
    }
    free(clean);
    found[0] = to - out;
    return count;
}

/* Where a citation at `[` ends: [12], [edit], [citation needed]; NULL where there is none, `unknown` set where a digit
   of another script may follow. */
static const uint8_t *citation_end(const uint8_t *at, const uint8_t *end, int *unknown) {
    static const char *const names[] = {"edit]", "citation needed]"};
    const uint8_t *p = at + 1;
    while (p < end && *p >= '0' && *p <= '9') p++;
    if (p < end && *p == ']') return p + 1;
    if (p < end && *p >= 0x80) *unknown = 1;
    for (int i = 0; i < 2; i++) {
        size_t length = strlen(names[i]);
        if ((size_t)(end - at - 1) >= length && !memcmp(at + 1, names[i], length)) return at + 1 + length;
    }
    return NULL;
}

static int has_long_word(span line) {
    int64_t length = 0;
    for (const uint8_t *p = line.start; p < line.end;) {
        length = is_space(decode(&p)) ? 0 : length + 1;
        if (length > MAX_WORD_CHARACTERS) return 1;
    }
    return 0;
}

static int has_words(span line, int wanted) {
    int inside = 0;
    for (const uint8_t *p = line.start; p < line.end;) {
        int space = is_space(decode(&p));
        if (!space && !inside && !--wanted) return 1;
        inside = !space;
    }
    return 0;
}

/* The phrases that C4 judges lines by, in lower case, each with the place of a letter that few words have. */
static const struct {
    const char *phrase;
    int64_t rare, length;
} hints[] = {{"cookie", 3, 6}, {"javascript", 0, 10}, {"lorem ipsum", 7, 11}, {"policy", 5, 6}, {"terms of use", 7, 12}};

/* By byte: 1 + the number of the phrase that has it in this place; BRACE, and what begins the dotted capital I and the
   Kelvin sign, which of what is no ASCII alone have ASCII letters in lower case. */
enum { BRACE = 6, DOTTED = 7, KELVIN = 8 };
static const uint8_t may_hint[256] = {['k'] = 1, ['K'] = 1, ['j'] = 2, ['J'] = 2, ['p'] = 3, ['P'] = 3, ['y'] = 4,
                                      ['Y'] = 4, ['f'] = 5, ['F'] = 5, ['{'] = BRACE, [0xC4] = DOTTED, [0xE2] = KELVIN};

/* Whether a line has a brace or such a phrase, in any case. */
static int has_hint(span line) {
    for (const uint8_t *p = line.start; p < line.end; p++) {
        const int hint = may_hint[*p];
        if (!hint) continue;
        if (hint == BRACE || (hint == DOTTED && p[1] == 0xB0) || (hint == KELVIN && p[1] == 0x84 && p[2] == 0xAA)) return 1;
        if (hint >= BRACE) continue;
        const int64_t before = hints[hint - 1].rare, length = hints[hint - 1].length;
        if (p - line.start < before || line.end - p < length - before) continue;
        const char *phrase = hints[hint - 1].phrase;
        int64_t same = 0;
        for (const uint8_t *at = p - before; same < length; same++)
            if ((at[same] >= 'A' && at[same] <= 'Z' ? at[same] + 32 : at[same]) != (uint8_t)phrase[same]) break;
        if (same == length) return 1;
    }
    return 0;
}

/* The lines of a page of which only the content is left to judge, without citations; found: bytes, whether one has a
   hint. Returns their number. */
int64_t altiplano_prose(const uint8_t *text, int64_t size, uint8_t *out, int64_t *found) {
    const uint8_t *end = text + size;
    uint8_t *to = out;
    int64_t count = 0;
    int hinted = 0;
    for (const uint8_t *at = text; at < end;) {
        span line = strip(next_split_line(&at, end));
        if (line.start == line.end || !memchr(".?!\"]", line.end[-1], 5)) continue;
        if (line.end - line.start > MAX_WORD_CHARACTERS && has_long_word(line)) continue;
        uint8_t *begin = to + (count > 0), *stop = begin;
        for (const uint8_t *p = line.start; p < line.end;) {
            const uint8_t *bracket = memchr(p, '[', (size_t)(line.end - p));
            size_t plain = (size_t)((bracket ? bracket : line.end) - p);
            memcpy(stop, p, plain);
            stop += plain, p += plain;
            if (!bracket) break;
            int unknown = 0;
            const uint8_t *after = citation_end(p, line.end, &unknown);
            if (unknown) return NOT_HERE;
            if (after) {
                p = after;
            } else {
                *stop++ = *p++;
            }
        }
        if (stop == begin || !memchr(".?!\"", stop[-1], 4)) continue;
        if (stop - begin >= 3 && !memcmp(stop - 3, "...", 3)) continue;
        if (!has_words((span){begin, stop}, MIN_WORDS)) continue;
        if (count++) *to = '\n';
        to = stop;
        hinted |= has_hint((span){begin, stop});
    }
    found[0] = to - out, found[1] = hinted;
    return count;
}

/* C4's lines: the first of each repeated line of a page, and their keys; found: bytes. Returns their number. */
int64_t altiplano_unique(const uint8_t *text, int64_t size, const uint32_t *table, uint8_t *out, uint64_t *keys,
                         int64_t *found) {
    const uint8_t *at = text, *end = text + size;
    uint8_t *scratch = malloc((size_t)size * 2 + 8), *to = out;
    key_set seen;
    int64_t count = 0;
    if (!scratch || !open_set(&seen, line_feeds(text, size) + 2)) {
        free(scratch);
        return NO_MEMORY;
    }
    while (at <= end) {
        span line = next_fed_line(&at, end);
        uint8_t *mapped = map_line(strip(line), table, scratch);
        if (!mapped) {
            free(scratch), free(seen.slots);
            return NOT_HERE;
        }
        uint64_t key = hash_of(scratch, (size_t)(mapped - scratch), MD5);
        if (!is_new(&seen, key)) continue;
        to = append(to, count, line);
        keys[count++] = key;
    }
    free(scratch), free(seen.slots);
    found[0] = to - out;
    return count;
}

/* Sets of words by their hashes, FNV-1a of characters; 0 stands for an empty slot */

static const uint64_t FNV_START = 0xCBF29CE484222325u, FNV_FACTOR = 0x100000001B3u;

static int in_set(const uint64_t *slots, uint64_t mask, uint64_t hash) {
    for (uint64_t slot = hash & mask; slots[slot]; slot = (slot + 1) & mask)
        if (slots[slot] == hash) return 1;
    return 0;
}

/* Both in one: what is left of a page by C4's rules, if it has at least `least` lines and none has a hint; of other pages
   what altiplano_prose leaves, and ONLY_PROSE. */
int64_t altiplano_prose_lines(const uint8_t *text, int64_t size, const uint32_t *table, int64_t least, uint8_t *out,
                              uint64_t *keys, int64_t *found) {
    int64_t count = altiplano_prose(text, size, out, found);
    if (count < 0) return count;
    if (count < least || found[1]) return ONLY_PROSE;
    span page = strip((span){out, out + found[0]});
    return altiplano_unique(page.start, page.end - page.start, table, out, keys, found);
}

static inline int is_ascii_letter(uint8_t byte) { return (byte | 0x20) >= 'a' && (byte | 0x20) <= 'z'; }

static inline int is_plain_space(uint8_t byte) { return byte == ' ' || byte == '\n'; }

/* Counts, up to `stop`, marks of which it is certain that a sentence ends there for Punkt: behind a word of ASCII letters
   that is not in the set, alone between spaces, and before one that begins with a letter. */
int64_t altiplano_sentence_ends(const uint8_t *text, int64_t size, const uint64_t *slots, int64_t mask, int64_t stop) {
    int64_t count = 0;
    /* Before the mark are two bytes and a word of two, behind it two bytes. */
    for (int64_t i = 4; i < size - 2; i++) {
        const uint8_t *mark = text + i;
        if (*mark != '.' && *mark != '?' && *mark != '!') continue;
        if (!is_plain_space(mark[1]) || !is_ascii_letter(mark[2])) continue;
        const uint8_t *word = mark;
        while (word > text && is_ascii_letter(word[-1])) word--;
        /* NLTK takes a space at the very start for none. */
        if (mark - word < 2 || word < text + 2 || !is_plain_space(word[-1])) continue;
        uint64_t hash = FNV_START;
        for (const uint8_t *p = word; p < mark; p++) hash = (hash ^ (*p | 0x20)) * FNV_FACTOR;
        if (!in_set(slots, (uint64_t)mask, hash | !hash) && ++count == stop) break;
    }
    return count;
}

/* Whether a word of the set, or two words of it in a row, stand in a text, in any case; by their hashes alone. */
int64_t altiplano_has_words(const uint8_t *text, int64_t size, const uint32_t *table, const uint64_t *slots,
                            int64_t mask) {
    static const uint64_t row = 0x9E3779B97F4A7C15u;
    uint64_t hash = FNV_START, before = 0;
    int inside = 0;
    for (const uint8_t *p = text, *end = text + size;;) {
        const int over = p >= end;
        const uint32_t c = over ? GONE : table[decode(&p)];
        if (c == CONTEXTUAL) return NOT_HERE;
        if (c != GONE) {
            hash = (hash ^ c) * FNV_FACTOR, inside = 1;
        } else if (inside) {
            const uint64_t pair = before * row + hash;
            if (in_set(slots, (uint64_t)mask, hash | !hash) || in_set(slots, (uint64_t)mask, pair | !pair)) return 1;
            before = hash, hash = FNV_START, inside = 0;
        }
        if (over) return 0;
    }
}
