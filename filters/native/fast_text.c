/* One prediction of a supervised fastText model: the most probable label of a line, bit by bit what fastText finds.

   A line is split into words; each is one row of the input matrix and the rows of its character n-grams, or the
   n-grams alone; the mean of all rows, in the order of the text, meets the output matrix. The order of the sums, the
   types of all numbers and the pruned search of the tree are fastText's, so the answers are too. The model is made by
   `filters/models/fast_text_model.py` and only read here. `filters/native/web.py` compiles this file together with web.c.

   Source: fastText 0.9 (Joulin et al. 2016), its file format version 12. */

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { NO_LABEL = -1, NO_MEMORY = -2, NOT_HERE = -3 };
enum { ALL_GRAMS = 0, NO_GRAMS = 1, SOME_GRAMS = 2 };
enum { ROWS = 2048, SHORT = 64, WIDTH = 16 };
enum { DEEPEST = 128 }; /* of trees; filters/models/fast_text_file.py takes none that is as deep */
enum { CACHED_BYTES = 16, FEW_ROWS = 10, MANY_ROWS = 26, CACHED_WORDS = 1 << 16 };

static const uint32_t HASH_START = 2166136261u, HASH_FACTOR = 16777619u; /* FNV-1a of signed bytes */

typedef struct {
    int64_t dimension, shortest, longest, word_grams; /* shortest and longest: of character n-grams */
    int64_t bucket;                                   /* n-grams are numbered by their hash modulo this */
    int64_t grams;                                    /* which n-grams have rows */
    int64_t words, labels;                            /* rows of words come first, n-grams' after them */
    int64_t slots;                                    /* of the table of names, less one */
    const float *input, *output;
    const int32_t *tree;       /* of inner node i the children [2i] and [2i + 1] */
    const uint8_t *names;      /* words, then labels */
    const int64_t *starts;     /* of each name, and the end of the last */
    const int32_t *table;      /* by hash: the number of a name, -1 in an empty slot */
    const uint64_t *kept;      /* SOME_GRAMS: a bit for each n-gram */
    const int32_t *before;     /* and how many are kept before each 64 of them */
    int64_t hierarchical;      /* the tree's softmax; else that of all labels */
} model;

/* The rows of a word, in one line of the processor's cache; where every n-gram has a row, in two, that hold MANY_ROWS.
   The caller keeps CACHED_WORDS of them, zeros at first, for one model and one thread. A word has one place, which the
   next word of that place takes. */
typedef struct {
    uint32_t hash;
    uint16_t size, rows;
    uint8_t word[CACHED_BYTES];
    int32_t row[];
} cached;

typedef struct {
    const model *m;
    int64_t count;   /* rows added */
    int pending;     /* rows to add */
    int32_t rows[ROWS];
    float *sum;
} state;

/* Sums */

static void add_wide(float *restrict sum, const float *input, const int32_t *rows, int count) {
    float s[WIDTH];
    memcpy(s, sum, sizeof s);
    for (int r = 0; r < count; r++) {
        const float *row = input + (int64_t)rows[r] * WIDTH;
        for (int i = 0; i < WIDTH; i++) s[i] += row[i];
    }
    memcpy(sum, s, sizeof s);
}

static void add_pending(state *s) {
    const int64_t n = s->m->dimension;
    if (n == WIDTH) {
        add_wide(s->sum, s->m->input, s->rows, s->pending);
    } else {
        for (int r = 0; r < s->pending; r++) {
            const float *row = s->m->input + s->rows[r] * n;
            for (int64_t i = 0; i < n; i++) s->sum[i] += row[i];
        }
    }
    s->count += s->pending;
    s->pending = 0;
}

static inline void add_row(state *s, int64_t row) {
    if (s->pending == ROWS) add_pending(s);
    s->rows[s->pending++] = (int32_t)row;
}

/* `gram` is a hash modulo the buckets. */
static inline void add_gram(state *s, uint32_t gram) {
    const model *m = s->m;
    if (m->grams == SOME_GRAMS) {
        uint64_t bits = m->kept[gram >> 6], bit = 1ull << (gram & 63);
        if (bits & bit) add_row(s, m->words + m->before[gram >> 6] + __builtin_popcountll(bits & (bit - 1)));
    } else if (m->grams == ALL_GRAMS) {
        add_row(s, m->words + gram);
    }
}

static inline int has_grams(const model *m) { return m->grams != NO_GRAMS && m->bucket > 0; }

/* Words */

static inline uint32_t hashed(uint32_t hash, uint8_t byte) { return (hash ^ (uint32_t)(int8_t)byte) * HASH_FACTOR; }

static inline int separates(uint8_t byte) { return byte == ' ' || (byte >= '\t' && byte <= '\r') || byte == 0; }

static int64_t number_of(const model *m, const uint8_t *word, int64_t size, uint32_t hash) {
    for (int64_t slot = hash & m->slots; m->table[slot] >= 0; slot = (slot + 1) & m->slots) {
        const int64_t number = m->table[slot], start = m->starts[number];
        if (m->starts[number + 1] - start == size && !memcmp(m->names + start, word, (size_t)size)) return number;
    }
    return -1;
}

/* The character n-grams of a word, `<` before it and `>` behind. */
static int add_grams(state *s, const uint8_t *word, int64_t size) {
    const model *m = s->m;
    const uint32_t bucket = (uint32_t)m->bucket;
    const int64_t length = size + 2, shortest = m->shortest, longest = m->longest;
    uint8_t here[SHORT], *marked = length <= SHORT ? here : malloc((size_t)length);
    if (!marked) return NO_MEMORY;
    marked[0] = '<';
    memcpy(marked + 1, word, (size_t)size);
    marked[length - 1] = '>';
    for (int64_t i = 0; i < length; i++) {
        if ((marked[i] & 0xC0) == 0x80) continue;
        uint32_t hash = HASH_START;
        int64_t j = i;
        for (int64_t n = 1; j < length && n <= longest; n++) {
            do hash = hashed(hash, marked[j++]);
            while (j < length && (marked[j] & 0xC0) == 0x80);
            if (n >= shortest && !(n == 1 && (i == 0 || j == length))) add_gram(s, hash % bucket);
        }
    }
    if (marked != here) free(marked);
    return 0;
}

static int add_word(state *s, const uint8_t *word, int64_t size, int64_t number) {
    if (number >= 0) add_row(s, number);
    return s->m->longest > 0 && has_grams(s->m) ? add_grams(s, word, size) : 0;
}

static inline int cached_rows(const model *m) { return m->grams == ALL_GRAMS ? MANY_ROWS : FEW_ROWS; }

static inline size_t cached_size(const model *m) { return sizeof(cached) + (size_t)cached_rows(m) * sizeof(int32_t); }

static inline void add_cached(state *s, const cached *place) {
    int32_t *to = s->rows + s->pending;
    memcpy(to, place->row, FEW_ROWS * sizeof *to);
    if (place->rows > FEW_ROWS) memcpy(to + FEW_ROWS, place->row + FEW_ROWS, (MANY_ROWS - FEW_ROWS) * sizeof *to);
    s->pending += place->rows;
}

static int add_new_word(state *s, const uint8_t *word, int64_t size, uint32_t hash, int64_t number, cached *place) {
    const int64_t count = s->count;
    const int before = s->pending;
    if (add_word(s, word, size, number)) return NO_MEMORY;
    const int rows = s->pending - before;
    if (size > CACHED_BYTES || rows > cached_rows(s->m) || s->count != count) return 0;
    place->hash = hash, place->size = (uint16_t)size, place->rows = (uint16_t)rows;
    memcpy(place->word, word, (size_t)size);
    memcpy(place->row, s->rows + before, (size_t)rows * sizeof *s->rows);
    return 0;
}

/* N-grams of words, which have their rows among those of characters. */
static void add_word_grams(state *s, const int32_t *hashes, int64_t count) {
    const model *m = s->m;
    if (!has_grams(m)) return;
    for (int64_t i = 0; i < count; i++) {
        uint64_t hash = (uint64_t)(int64_t)hashes[i];
        for (int64_t j = i + 1; j < count && j < i + m->word_grams; j++) {
            hash = hash * 116049371u + (uint64_t)(int64_t)hashes[j];
            add_gram(s, (uint32_t)(hash % (uint64_t)m->bucket));
        }
    }
}

/* All rows of a line, and of the line's end. */
static int add_line(state *s, const uint8_t *text, int64_t size, uint8_t *cache) {
    static const uint8_t end_name[] = "</s>", prefix[] = "__label__";
    const model *m = s->m;
    int32_t *hashes = NULL;
    const size_t place_size = cached_size(m);
    int64_t count = 0, room = 0;
    int done = 0;
    for (const uint8_t *at = text, *stop = text + size; !done;) {
        const uint8_t *word;
        int64_t length;
        while (at < stop && separates(*at)) at++;
        uint32_t hash = HASH_START;
        if (at < stop) {
            for (word = at; at < stop && !separates(*at); at++) hash = hashed(hash, *at);
            length = at - word;
        } else {
            word = end_name, length = 4, done = 1;
            for (int i = 0; i < 4; i++) hash = hashed(hash, word[i]);
        }
        if (s->pending + MANY_ROWS > ROWS) add_pending(s);
        cached *place = (cached *)(cache + (hash & (CACHED_WORDS - 1)) * place_size);
        if (place->hash == hash && place->size == length && !memcmp(place->word, word, (size_t)length)) {
            add_cached(s, place);
        } else {
            const int is_end = length == 4 && !memcmp(word, end_name, 4);
            done |= is_end; /* fastText reads no further */
            const int64_t number = number_of(m, word, length, hash);
            if (number >= m->words) continue; /* a label */
            if (number < 0 && length >= 9 && !memcmp(word, prefix, 9)) continue;
            if (is_end) {
                if (number >= 0) add_row(s, number);
            } else if (add_new_word(s, word, length, hash, number, place)) {
                free(hashes);
                return NO_MEMORY;
            }
        }
        if (m->word_grams <= 1) continue;
        if (count == room) {
            int32_t *more = realloc(hashes, (size_t)(room = 2 * room + 256) * sizeof *hashes);
            if (!more) {
                free(hashes);
                return NO_MEMORY;
            }
            hashes = more;
        }
        hashes[count++] = (int32_t)hash;
    }
    add_word_grams(s, hashes, count);
    free(hashes);
    add_pending(s);
    return 0;
}

/* Labels */

static float log_of(float x) { return (float)log(x + 1e-5); }

static int dot(const model *m, const float *hidden, int64_t row, float *found) {
    const float *output = m->output + row * m->dimension;
    float d = 0;
    for (int64_t i = 0; i < m->dimension; i++) d += output[i] * hidden[i];
    *found = d;
    return isnan(d) ? NOT_HERE : 0;
}

typedef struct {
    int64_t label;
    float score;
} best;

/* The same order and the same pruning as fastText's search; labels are its nodes 0 to labels - 1, the root its last. */
static int search(const model *m, const float *hidden, int64_t node, float score, int depth, best *found) {
    if (depth > DEEPEST) return NOT_HERE;
    if (score < log_of(0) || (found->label >= 0 && score < found->score)) return 0;
    if (node < m->labels) {
        *found = (best){node, score};
        return 0;
    }
    float f;
    if (dot(m, hidden, node - m->labels, &f)) return NOT_HERE;
    f = (float)(1. / (1 + expf(-f)));
    const int32_t *children = m->tree + 2 * (node - m->labels);
    const float not_f = (float)(1.0 - f);
    int problem = search(m, hidden, children[0], score + log_of(not_f), depth + 1, found);
    return problem ? problem : search(m, hidden, children[1], score + log_of(f), depth + 1, found);
}

static int softmax(const model *m, const float *hidden, best *found) {
    float *values = malloc((size_t)m->labels * sizeof *values), most = 0, sum = 0;
    if (!values) return NO_MEMORY;
    for (int64_t i = 0; i < m->labels; i++) {
        if (dot(m, hidden, i, values + i)) {
            free(values);
            return NOT_HERE;
        }
        if (!i || values[i] > most) most = values[i];
    }
    for (int64_t i = 0; i < m->labels; i++) sum += values[i] = expf(values[i] - most);
    for (int64_t i = 0; i < m->labels; i++) {
        const float score = log_of(values[i] / sum);
        if (found->label < 0 || score >= found->score) *found = (best){i, score};
    }
    free(values);
    return 0;
}

int64_t altiplano_label_cache_bytes(const model *m) { return CACHED_WORDS * (int64_t)cached_size(m); }

/* Fills a table of `mask + 1` empty slots with the numbers of names. */
int64_t altiplano_name_table(const uint8_t *names, const int64_t *starts, int64_t count, int32_t *table, int64_t mask) {
    for (int64_t number = 0; number < count; number++) {
        uint32_t hash = HASH_START;
        for (int64_t i = starts[number]; i < starts[number + 1]; i++) hash = hashed(hash, names[i]);
        int64_t slot = hash & mask;
        while (table[slot] >= 0) slot = (slot + 1) & mask;
        table[slot] = (int32_t)number;
    }
    return count;
}

/* A text without its line feeds, in `to`; returns its bytes. */
static int64_t without_feeds(const uint8_t *text, int64_t size, uint8_t *to) {
    const uint8_t *at = text, *end = text + size;
    uint8_t *const start = to;
    while (at < end) {
        const uint8_t *feed = memchr(at, '\n', (size_t)(end - at));
        const size_t part = (size_t)((feed ? feed : end) - at);
        memcpy(to, at, part);
        to += part, at += part + 1;
    }
    return to - start;
}

/* The most probable label of a text as one line, or NO_LABEL; NOT_HERE where fastText would raise an error. Line feeds
   count as spaces, unless there is `room` for `size` bytes: then they are deleted. */
int64_t altiplano_best_label(const model *m, const uint8_t *text, int64_t size, uint8_t *room, uint8_t *cache,
                             float *probability) {
    state *s = malloc(sizeof *s + (size_t)m->dimension * sizeof(float));
    best found = {NO_LABEL, 0};
    if (!s) return NO_MEMORY;
    s->m = m, s->count = s->pending = 0, s->sum = (float *)(s + 1);
    memset(s->sum, 0, (size_t)m->dimension * sizeof(float));
    if (room && memchr(text, '\n', (size_t)size)) size = without_feeds(text, size, room), text = room;
    int problem = add_line(s, text, size, cache);
    if (!problem && s->count) {
        const float share = (float)(1.0 / (double)s->count);
        for (int64_t i = 0; i < m->dimension; i++) s->sum[i] *= share;
        problem = m->hierarchical ? search(m, s->sum, 2 * m->labels - 2, 0, 0, &found) : softmax(m, s->sum, &found);
    }
    free(s);
    *probability = expf(found.score);
    return problem ? problem : found.label;
}
