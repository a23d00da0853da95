/* Tells libFuzzer which parts of our C an input reaches, and what was compared there.

   gcc with -fsanitize-coverage=trace-pc,trace-cmp calls a function at each part, and one at each comparison.
   libFuzzer wants a counter for each part instead, so each part gets one when it is first reached. Its own functions
   come as pointers: it is inside a Python module, where no linker looks. This file itself is compiled without. */

#include <stddef.h>
#include <stdint.h>

enum { MOST = 1 << 13, SLOTS = 1 << 16 };

#define HIDDEN __attribute__((visibility("hidden")))

static uint8_t counters[MOST];
static struct {
    uintptr_t part, flags;
} parts[MOST];
static uintptr_t slots[SLOTS];
static uint16_t numbers[SLOTS];
static uint16_t used;

HIDDEN void __sanitizer_cov_trace_pc(void) {
    const uintptr_t part = (uintptr_t)__builtin_return_address(0);
    uint32_t slot = (uint32_t)((uint64_t)part * 0x9E3779B97F4A7C15u >> 48);
    while (slots[slot] != part) {
        if (!slots[slot]) {
            slots[slot] = part, numbers[slot] = used;
            if (used < MOST - 1) used++;
            break;
        }
        slot = (slot + 1) & (SLOTS - 1);
    }
    counters[numbers[slot]]++;
}

static void (*compare1)(uint8_t, uint8_t), (*constant1)(uint8_t, uint8_t);
static void (*compare2)(uint16_t, uint16_t), (*constant2)(uint16_t, uint16_t);
static void (*compare4)(uint32_t, uint32_t), (*constant4)(uint32_t, uint32_t);
static void (*compare8)(uint64_t, uint64_t), (*constant8)(uint64_t, uint64_t);
static void (*choose)(uint64_t, uint64_t *);

#define FORWARD(name, type, function) \
    HIDDEN void name(type a, type b) { if (function) function(a, b); }
FORWARD(__sanitizer_cov_trace_cmp1, uint8_t, compare1)
FORWARD(__sanitizer_cov_trace_cmp2, uint16_t, compare2)
FORWARD(__sanitizer_cov_trace_cmp4, uint32_t, compare4)
FORWARD(__sanitizer_cov_trace_cmp8, uint64_t, compare8)
FORWARD(__sanitizer_cov_trace_const_cmp1, uint8_t, constant1)
FORWARD(__sanitizer_cov_trace_const_cmp2, uint16_t, constant2)
FORWARD(__sanitizer_cov_trace_const_cmp4, uint32_t, constant4)
FORWARD(__sanitizer_cov_trace_const_cmp8, uint64_t, constant8)

HIDDEN void __sanitizer_cov_trace_cmpf(float a, float b) { (void)a, (void)b; }
HIDDEN void __sanitizer_cov_trace_cmpd(double a, double b) { (void)a, (void)b; }
HIDDEN void __sanitizer_cov_trace_switch(uint64_t value, uint64_t *cases) { if (choose) choose(value, cases); }

/* libFuzzer's functions: for counters, for parts, for comparisons of 1 to 8 bytes, with constants, for switches. */
void fuzz_coverage_start(void (*const functions[11])(void)) {
    for (int i = 0; i < MOST; i++) parts[i].part = (uintptr_t)(counters + i);
    ((void (*)(uint8_t *, uint8_t *))functions[0])(counters, counters + MOST);
    ((void (*)(void *, void *))functions[1])(parts, parts + MOST);
    compare1 = (void (*)(uint8_t, uint8_t))functions[2], compare2 = (void (*)(uint16_t, uint16_t))functions[3];
    compare4 = (void (*)(uint32_t, uint32_t))functions[4], compare8 = (void (*)(uint64_t, uint64_t))functions[5];
    constant1 = (void (*)(uint8_t, uint8_t))functions[6], constant2 = (void (*)(uint16_t, uint16_t))functions[7];
    constant4 = (void (*)(uint32_t, uint32_t))functions[8], constant8 = (void (*)(uint64_t, uint64_t))functions[9];
    choose = (void (*)(uint64_t, uint64_t *))functions[10];
}
