/* Operations that torch does in several passes over a tile, in one pass. Called by kernels.py.

   Signals are contiguous [rows, width] arrays of floats. The threads are those of torch, whose
   OpenMP library is already loaded. Each function is compiled once for each instruction set, as a
   "clone"; kernels.py chooses the clone. */

#ifdef _OPENMP
#include <omp.h>
#endif
#include <stdlib.h>
#include <string.h>

/* The arguments of all kernels, each of which uses some of them: activate() has no taps, and its
   input is its output. */
struct work {
    const float *input;
    float *output;
    long width;
    const float *taps;
    long taps_count, dilation;
    const float *constant;
    float slope;
    const float *activated, *gradient; /* of the gradients: results of PReLU, and theirs */
    float shift, scale;
};

#define IN_EVERY_CLONE static inline __attribute__((always_inline))

/* For each row: write PReLU(value) for each channel c, and add the sum of the results and of their
   squares to sums[2]. PReLU multiplies by 1 or by the slope, so that every channel takes the same
   instructions. Below AVX-512, gcc vectorises the comparison only with -fno-trapping-math, which
   pyproject.toml sets and which changes no value. */
#define ACTIVATE(row, width, slope, sums, value_of_c)    \
    {                                                    \
        float first = 0, second = 0;                     \
        _Pragma("omp simd reduction(+ : first, second)") \
        for (long c = 0; c < (width); c++) {             \
            float value = (value_of_c);                  \
            value *= value > 0 ? 1.0f : (slope);         \
            (row)[c] = value;                            \
            first += value;                              \
            second += value * value;                     \
        }                                                \
        (sums)[0] += first;                              \
        (sums)[1] += second;                             \
    }

IN_EVERY_CLONE void activate_rows(const struct work *work, long begin, long end, double *sums) {
    const long width = work->width;
    const float *restrict bias = work->constant;
    const float slope = work->slope;
    for (long r = begin; r < end; r++) {
        float *restrict row = work->output + r * width;
        ACTIVATE(row, width, slope, sums, row[c] + bias[c])
    }
}

/* Tap k uses the row k * dilation below. With three taps, the usual number, sums stay in
   registers. */
IN_EVERY_CLONE void convolve_rows(const struct work *work, long begin, long end, double *sums) {
    const long width = work->width, count = work->taps_count, step = work->dilation * width;
    const float *restrict taps = work->taps, *restrict constant = work->constant;
    const float slope = work->slope;
    for (long r = begin; r < end; r++) {
        const float *restrict seen = work->input + r * width;
        float *restrict row = work->output + r * width;
        if (count == 3) {
            ACTIVATE(row, width, slope, sums,
                     constant[c] + seen[c] * taps[c] + seen[step + c] * taps[width + c] +
                         seen[2 * step + c] * taps[2 * width + c])
            continue;
        }
        for (long c = 0; c < width; c++)
            row[c] = constant[c];
        for (long k = 0; k < count; k++)
            for (long c = 0; c < width; c++)
                row[c] += seen[k * step + c] * taps[k * width + c];
        ACTIVATE(row, width, slope, sums, row[c])
    }
}

/* The gradient of PReLU, from its result y and the gradient of a norm behind it, which is
   g + shift + scale * y. What the slope gets is added to sums[0], still to be divided by it. */
#define PASS_BACK(row, width, sums, slope, y_of_c, gradient_of_c)  \
    {                                                              \
        float of_slope = 0;                                        \
        _Pragma("omp simd reduction(+ : of_slope)")                \
        for (long c = 0; c < (width); c++) {                       \
            const float y = (y_of_c), g = (gradient_of_c);         \
            of_slope += y > 0 ? 0.0f : g * y;                      \
            (row)[c] = g * (y > 0 ? 1.0f : (slope));               \
        }                                                          \
        (sums)[0] += of_slope;                                     \
    }

/* The gradient before PReLU and convolution, from the one behind them. `channels`, [1 + P, width],
   gets the sum of the rows, and that of their products with the rows of each tap. */
IN_EVERY_CLONE void convolve_back_rows(const struct work *work, long begin, long end, double *sums,
                                       float *channels) {
    const long width = work->width, count = work->taps_count, step = work->dilation * width;
    const float shift = work->shift, scale = work->scale, slope = work->slope;
    for (long r = begin; r < end; r++) {
        const float *restrict seen = work->input + r * width;
        const float *restrict activated = work->activated + r * width;
        const float *restrict gradient = work->gradient + r * width;
        float *restrict row = work->output + r * width, *restrict total = channels;
        PASS_BACK(row, width, sums, slope, activated[c],
                  gradient[c] + shift + scale * activated[c])
        if (count == 3) {
#pragma omp simd
            for (long c = 0; c < width; c++) {
                const float value = row[c];
                total[c] += value;
                total[width + c] += value * seen[c];
                total[2 * width + c] += value * seen[step + c];
                total[3 * width + c] += value * seen[2 * step + c];
            }
            continue;
        }
        for (long c = 0; c < width; c++)
            total[c] += row[c];
        for (long k = 0; k < count; k++)
            for (long c = 0; c < width; c++)
                total[(k + 1) * width + c] += row[c] * seen[k * step + c];
    }
}

/* The gradient before bias and PReLU, from the one before the convolution behind them, with its
   taps in reverse. `channels`, [width], gets the sum of the rows. */
IN_EVERY_CLONE void activate_back_rows(const struct work *work, long begin, long end, double *sums,
                                       float *channels) {
    const long width = work->width, count = work->taps_count, step = work->dilation * width;
    const float *restrict taps = work->taps;
    const float shift = work->shift, scale = work->scale, slope = work->slope;
    for (long r = begin; r < end; r++) {
        const float *restrict seen = work->input + r * width;
        const float *restrict activated = work->activated + r * width;
        float *restrict row = work->output + r * width, *restrict total = channels;
        if (count == 3) {
            PASS_BACK(row, width, sums, slope, activated[c],
                      shift + scale * y + seen[c] * taps[c] + seen[step + c] * taps[width + c] +
                          seen[2 * step + c] * taps[2 * width + c])
        } else {
            for (long c = 0; c < width; c++)
                row[c] = shift + scale * activated[c];
            for (long k = 0; k < count; k++)
                for (long c = 0; c < width; c++)
                    row[c] += seen[k * step + c] * taps[k * width + c];
            PASS_BACK(row, width, sums, slope, activated[c], row[c])
        }
        for (long c = 0; c < width; c++)
            total[c] += row[c];
    }
}

typedef void Kernel(const struct work *work, long begin, long end, double *sums);
typedef void BackKernel(const struct work *work, long begin, long end, double *sums,
                        float *channels);

#define CLONE(name, attribute)                                                                \
    attribute static void activate_##name(const struct work *work, long begin, long end,      \
                                          double *sums) {                                     \
        activate_rows(work, begin, end, sums);                                                \
    }                                                                                         \
    attribute static void convolve_##name(const struct work *work, long begin, long end,      \
                                          double *sums) {                                     \
        convolve_rows(work, begin, end, sums);                                                \
    }                                                                                         \
    attribute static void activate_back_##name(const struct work *work, long begin, long end, \
                                               double *sums, float *channels) {               \
        activate_back_rows(work, begin, end, sums, channels);                                 \
    }                                                                                         \
    attribute static void convolve_back_##name(const struct work *work, long begin, long end, \
                                               double *sums, float *channels) {               \
        convolve_back_rows(work, begin, end, sums, channels);                                 \
    }

CLONE(default, )
#if defined(__x86_64__)
CLONE(avx2, __attribute__((target("avx2,fma"))))
CLONE(avx512, __attribute__((target("avx512f"))))
#endif

static Kernel *activate_chosen = activate_default, *convolve_chosen = convolve_default;
static BackKernel *activate_back_chosen = activate_back_default,
                  *convolve_back_chosen = convolve_back_default;
static const char *name_chosen = "default";

#define CHOOSE(clone, is_here)                        \
    if (!strcmp(name, #clone) && (is_here)) {         \
        activate_chosen = activate_##clone;           \
        convolve_chosen = convolve_##clone;           \
        activate_back_chosen = activate_back_##clone; \
        convolve_back_chosen = convolve_back_##clone; \
        name_chosen = #clone;                         \
        return 1;                                     \
    }

/* Use the clone of that name from now on. Returns 0, without a change, if this build or this
   processor does not have it. */
int choose(const char *name) {
    CHOOSE(default, 1)
#if defined(__x86_64__)
    CHOOSE(avx2, __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma"))
    CHOOSE(avx512, __builtin_cpu_supports("avx512f"))
#endif
    return 0;
}

const char *chosen(void) {
    return name_chosen;
}

/* Must be raised, with VERSION in kernels.py, whenever functions or arguments change. */
int version(void) {
    return 4;
}

#define SHARE 16 /* rows that a thread takes at a time */
#define MOST_THREADS 1024

static long threads(void) {
#ifdef _OPENMP
    const long count = omp_get_max_threads();
    return count < MOST_THREADS ? count : MOST_THREADS;
#else
    return 1;
#endif
}

static long thread(void) {
#ifdef _OPENMP
    return omp_get_thread_num();
#else
    return 0;
#endif
}

/* Sums of threads are added in their order, so that they are the same in every run. */
static void run(Kernel *kernel, const struct work *work, long count, double *sums) {
    const long number = threads();
    double parts[MOST_THREADS][2];
    memset(parts, 0, number * sizeof *parts);
#pragma omp parallel for num_threads(number) schedule(static)
    for (long at = 0; at < count; at += SHARE)
        kernel(work, at, at + SHARE < count ? at + SHARE : count, parts[thread()]);
    sums[0] = sums[1] = 0;
    for (long t = 0; t < number; t++) {
        sums[0] += parts[t][0];
        sums[1] += parts[t][1];
    }
}

void activate(float *rows, long count, long width, const float *bias, float slope, double *sums) {
    const struct work work = {
        .input = rows, .output = rows, .width = width, .constant = bias, .slope = slope};
    run(activate_chosen, &work, count, sums);
}

void convolve(const float *context, long count, long width, const float *taps, long number,
              long dilation, const float *constant, float slope, float *out, double *sums) {
    const struct work work = {.input = context,
                              .output = out,
                              .width = width,
                              .taps = taps,
                              .taps_count = number,
                              .dilation = dilation,
                              .constant = constant,
                              .slope = slope};
    run(convolve_chosen, &work, count, sums);
}

/* As run(), for one sum, and the sums of channels in `channels`, [totals]. Those of SHARE rows are
   added up first, so that small numbers are not added to large ones. Returns 0 if memory is short. */
static int run_back(BackKernel *kernel, const struct work *work, long count, long totals,
                    double *sum, float *channels) {
    const long number = threads();
    double parts[MOST_THREADS][2];
    float *all = calloc(2 * number * totals, sizeof *all);
    if (!all)
        return 0;
    memset(parts, 0, number * sizeof *parts);
#pragma omp parallel for num_threads(number) schedule(static)
    for (long at = 0; at < count; at += SHARE) {
        float *part = all + 2 * thread() * totals, *total = part + totals;
        memset(part, 0, totals * sizeof *part);
        kernel(work, at, at + SHARE < count ? at + SHARE : count, parts[thread()], part);
        for (long c = 0; c < totals; c++)
            total[c] += part[c];
    }
    *sum = 0;
    memset(channels, 0, totals * sizeof *channels);
    for (long t = 0; t < number; t++) {
        *sum += parts[t][0];
        for (long c = 0; c < totals; c++)
            channels[c] += all[(2 * t + 1) * totals + c];
    }
    free(all);
    return 1;
}

int convolve_back(const float *gradient, const float *activated, const float *context, long count,
                  long width, long number, long dilation, float shift, float scale, float slope,
                  float *out, double *of_slope, float *channels) {
    const struct work work = {.input = context,
                              .output = out,
                              .width = width,
                              .taps_count = number,
                              .dilation = dilation,
                              .slope = slope,
                              .activated = activated,
                              .gradient = gradient,
                              .shift = shift,
                              .scale = scale};
    return run_back(convolve_back_chosen, &work, count, (1 + number) * width, of_slope, channels);
}

int activate_back(const float *context, const float *activated, long count, long width,
                  const float *taps, long number, long dilation, float shift, float scale,
                  float slope, float *out, double *of_slope, float *channels) {
    const struct work work = {.input = context,
                              .output = out,
                              .width = width,
                              .taps = taps,
                              .taps_count = number,
                              .dilation = dilation,
                              .slope = slope,
                              .activated = activated,
                              .shift = shift,
                              .scale = scale};
    return run_back(activate_back_chosen, &work, count, width, of_slope, channels);
}
