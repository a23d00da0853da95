/* A text cut into the pieces of a SentencePiece unigram model: the same pieces, from the same sums of floats.

   The text is normalised as the model says (its map of characters, one space for several, U+2581 for a space), then the
   best path through it is found from left to right: the best score of a path that ends at a byte is that of its last
   piece and of the best path before it. Widths of numbers, ties and the order of trials are SentencePiece's. The model
   is made by `filters/models/unigram.py` and only read here. `filters/native/web.py` compiles this file with the others.

   Source: SentencePiece 0.2 (Kudo and Richardson 2018), its map of characters as a Darts-clone double array. */

#include <math.h>
#include <stdint.h>
#include <string.h>

enum { NOT_HERE = -1 };
enum { BYTES = 256, TRIES = 1024 };

/* A place of the double array: its child by a byte is at base + byte, if that one's parent says so. */
typedef struct {
    int32_t base, parent;
    float score; /* of the piece that ends here; not a number where none does */
} place;

typedef struct {
    int64_t prefix, squeeze;     /* a space before the text; spaces at both ends and repeated ones go */
    int64_t units, replacements; /* sizes of `map` and `replaced` */
    float unknown;               /* the score of a character of no piece */
    const place *trie;           /* of the pieces */
    const uint32_t *map;         /* of sequences of characters: places in `replaced`; NULL for no map */
    const uint8_t *replaced;     /* texts, each with NUL behind it */
    const uint8_t *plain;        /* by byte: in ASCII, stays as it is before another such byte */
} model;

static const uint8_t SPACE[3] = {0xE2, 0x96, 0x81}; /* U+2581 */

/* The bytes of the character that starts at a byte. */
static inline int64_t width(uint8_t first) { return first < 0x80 ? 1 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : 4; }

/* Normalisation */

/* The longest sequence at `text` that the map replaces: returns its bytes, 0 for none, and where its replacement is. */
static int64_t replaced_at(const model *m, const uint8_t *text, int64_t size, int64_t *where) {
    int64_t longest = 0, at = 0;
    uint32_t unit = m->map[0];
    for (int64_t i = 0; i < size; i++) {
        at ^= (int64_t)((unit >> 10) << ((unit & 1u << 9) >> 6)) ^ text[i];
        if (at >= m->units) break;
        unit = m->map[at];
        if ((unit & (1u << 31 | 0xFF)) != text[i]) break;
        if (unit >> 8 & 1) {
            const int64_t leaf = at ^ (int64_t)((unit >> 10) << ((unit & 1u << 9) >> 6));
            if (leaf >= m->units) break;
            longest = i + 1, *where = m->map[leaf] & 0x7FFFFFFF;
        }
    }
    return longest;
}

typedef struct {
    const uint8_t *from; /* what the next characters of a text become: `length` bytes, for `taken` of the text */
    int64_t length, taken;
} step;

static step next_step(const model *m, const uint8_t *text, int64_t size) {
    int64_t where = 0;
    const int64_t longest = m->map ? replaced_at(m, text, size, &where) : 0;
    if (!longest || where >= m->replacements) {
        const int64_t wide = width(*text) < size ? width(*text) : size;
        return (step){text, wide, wide};
    }
    const uint8_t *found = m->replaced + where;
    return (step){found, (int64_t)strlen((const char *)found), longest};
}

/* Writes a text normalised; returns its bytes, or NOT_HERE where `room` is not enough. */
static int64_t normalise(const model *m, const uint8_t *text, int64_t size, uint8_t *out, int64_t room) {
    const uint8_t *end = text + size;
    int64_t length = 0;
    if (m->squeeze) {
        while (text < end) {
            const step s = next_step(m, text, end - text);
            if (s.length != 1 || *s.from != ' ') break;
            text += s.taken;
        }
    }
    if (text >= end) return 0;
    if (room < 3) return NOT_HERE;
    if (m->prefix) memcpy(out, SPACE, 3), length = 3;
    for (int space = m->squeeze != 0; text < end;) {
        if (m->plain[*text] && (text + 1 == end || text[1] < 0x80) && *text != ' ') {
            if (length == room) return NOT_HERE;
            out[length++] = *text++, space = 0;
            continue;
        }
        const step s = next_step(m, text, end - text);
        const uint8_t *from = s.from, *stop = s.from + s.length;
        while (space && from < stop && *from == ' ') from++;
        if (length + 3 * (stop - from) > room) return NOT_HERE;
        if (from < stop) space = m->squeeze && stop[-1] == ' ';
        for (; from < stop; from++) {
            if (*from == ' ') {
                memcpy(out + length, SPACE, 3), length += 3;
            } else {
                out[length++] = *from;
            }
        }
        text += s.taken;
    }
    while (m->squeeze && length >= 3 && !memcmp(out + length - 3, SPACE, 3)) length -= 3;
    return length;
}

/* The best path */

typedef struct {
    float score;
    int32_t start; /* of the last piece; of a character of no piece, its complement; NOWHERE before any path */
} node;

static const int32_t NOWHERE = INT32_MIN;
static const float FAR = 100000; /* kScoreResetThreshold, from SentencePiece 0.2.2 or 0.2.3 on */

static inline int64_t start_of(node n) { return n.start < 0 ? ~n.start : n.start; }

static void find_path(const model *m, const uint8_t *text, int64_t size, node *nodes) {
    const place *trie = m->trie;
    int64_t furthest = 0;
    for (int64_t i = 0; i <= size; i++) nodes[i] = (node){0, NOWHERE};
    for (int64_t start = 0; start < size;) {
        float before = nodes[start].score;
        if (before < -FAR || before > FAR) {
            /* Sums start anew before floats lose what pieces differ by. */
            for (int64_t i = start; i <= furthest; i++)
                if (i == start || nodes[i].start != NOWHERE) nodes[i].score -= before;
            before = 0;
        }
        int64_t wide = width(text[start]);
        if (wide > size - start) wide = size - start;
        int single = 0;
        int32_t at = 0;
        for (int64_t i = start; i < size; i++) {
            const int32_t child = trie[at].base + text[i];
            if (trie[child].parent != at) break;
            at = child;
            const float score = trie[at].score;
            if (isnan(score)) continue;
            node *end = nodes + i + 1;
            if (i + 1 > furthest) furthest = i + 1;
            const float candidate = score + before;
            if (end->start == NOWHERE || candidate > end->score) *end = (node){candidate, (int32_t)start};
            single |= i + 1 - start == wide;
        }
        if (!single) {
            node *end = nodes + start + wide;
            if (start + wide > furthest) furthest = start + wide;
            const float candidate = m->unknown + before;
            if (end->start == NOWHERE || candidate > end->score) *end = (node){candidate, ~(int32_t)start};
        }
        start += wide;
    }
}

/* What is called from Python. */

/* Fills the table `plain` of a model. */
int64_t altiplano_plain(const model *m, uint8_t *plain) {
    int64_t where;
    for (int first = 0; first < BYTES; first++) {
        plain[first] = first < 0x80;
        for (int second = 0; m->map && plain[first] && second < 0x80; second++) {
            const uint8_t text[2] = {(uint8_t)first, (uint8_t)second};
            plain[first] = !replaced_at(m, text, 2, &where);
        }
    }
    return 0;
}

/* A text in pieces with a space between them, characters of no piece in a row as one; found: bytes. `work` has room for
   the normalised text, `nodes` for a node for each byte of it and one more. Returns the number of pieces, or NOT_HERE
   where there is not enough room. */
int64_t altiplano_pieces(const model *m, const uint8_t *text, int64_t size, uint8_t *work, int64_t room, void *nodes,
                         uint8_t *out, int64_t out_room, int64_t *found) {
    const int64_t length = normalise(m, text, size, work, room);
    if (length < 0 || length >= INT32_MAX) return NOT_HERE; /* starts of pieces have 32 bits */
    node *path = nodes;
    find_path(m, work, length, path);
    /* From the end, written from the end. */
    int64_t count = 0, to = out_room;
    int was_unknown = 0;
    for (int64_t end = length; end > 0;) {
        const node n = path[end];
        const int64_t start = start_of(n), bytes = end - start;
        const int unknown = n.start < 0;
        if (to < bytes + 1) return NOT_HERE;
        if (count && !(unknown && was_unknown)) out[--to] = ' ';
        count += !(unknown && was_unknown);
        to -= bytes;
        memcpy(out + to, work + start, (size_t)bytes);
        was_unknown = unknown, end = start;
    }
    found[0] = out_room - to;
    memmove(out, out + to, (size_t)found[0]);
    return count;
}

/* Fills a double array, `places` zeros, with pieces in the order of their bytes, each once; names[starts[i]] to
   names[starts[i + 1] - 1] are the bytes of the i-th, none 0. Returns how many places are used, or NOT_HERE where they
   are not enough. */
typedef struct {
    const uint8_t *names;
    const int64_t *starts;
    const float *scores;
    place *trie;
    int64_t places, used, next;
} builder;

static int64_t insert(builder *b, int64_t first, int64_t last, int64_t depth, int32_t at) {
    uint8_t labels[BYTES];
    int count = 0;
    b->trie[at].score = NAN;
    if (b->starts[first + 1] - b->starts[first] == depth) b->trie[at].score = b->scores[first++];
    for (int64_t i = first; i < last; i++) {
        const uint8_t label = b->names[b->starts[i] + depth];
        if (!count || labels[count - 1] != label) labels[count++] = label;
    }
    if (!count) return 0;
    while (b->next < b->places && b->trie[b->next].parent >= 0) b->next++;
    int64_t base = b->next > labels[0] ? b->next - labels[0] : 1;
    for (;; base++) {
        if (base + BYTES > b->places) return NOT_HERE;
        int i = 0;
        while (i < count && b->trie[base + labels[i]].parent < 0) i++;
        if (i == count) break;
    }
    /* Places far behind are left free, else each search might go through all of them. */
    if (base - b->next > TRIES) b->next = base - TRIES;
    b->trie[at].base = (int32_t)base;
    for (int i = 0; i < count; i++) b->trie[base + labels[i]].parent = at;
    if (base + labels[count - 1] >= b->used) b->used = base + labels[count - 1] + 1;
    for (int i = 0; i < count; i++) {
        int64_t stop = first;
        while (stop < last && b->names[b->starts[stop] + depth] == labels[i]) stop++;
        if (insert(b, first, stop, depth + 1, (int32_t)(base + labels[i]))) return NOT_HERE;
        first = stop;
    }
    return 0;
}

int64_t altiplano_trie(const uint8_t *names, const int64_t *starts, const float *scores, int64_t count, place *trie,
                       int64_t places) {
    builder b = {names, starts, scores, trie, places, 1, 1};
    for (int64_t i = 0; i < places; i++) trie[i] = (place){0, -1, NAN};
    trie[0].parent = 0; /* the root is taken, and a base of 0 leads to no child of its own */
    if (insert(&b, 0, count, 0, 0)) return NOT_HERE;
    return b.used + BYTES <= places ? b.used + BYTES : NOT_HERE;
}
