/* What torch does in several passes over a tile, in one. Called by kernels.py.

   Signals are [rows, width] floats that lie side by side. Each function works on a range of rows;
   the threads are those of torch, whose OpenMP library is the one that is loaded already. */

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define EVERY_CPU __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define EVERY_CPU
#endif

/* PReLU of one row in place; its sum and that of its squares are added to sums[2]. */
#define ACTIVATE(row, width, slope, sums)                   \
    {                                                       \
        float first = 0, second = 0;                        \
        _Pragma("omp simd reduction(+ : first, second)")    \
        for (long c = 0; c < (width); c++) {                \
            float value = (row)[c];                         \
            value = value > 0 ? value : (slope) * value;    \
            (row)[c] = value;                               \
            first += value;                                 \
            second += value * value;                        \
        }                                                   \
        (sums)[0] += first;                                 \
        (sums)[1] += second;                                \
    }

EVERY_CPU static void activate_rows(float *rows, long begin, long end, long width, float slope,
                                    double *sums) {
    for (long r = begin; r < end; r++)
        ACTIVATE(rows + r * width, width, slope, sums)
}

/* Tap k looks at the row k * dilation below; a row of constants serves all where its stride is 0. */
EVERY_CPU static void convolve_rows(const float *restrict context, long begin, long end, long width,
                                    const float *restrict taps, long count, long dilation,
                                    const float *restrict constants, long stride, float slope,
                                    float *restrict out, double *sums) {
    for (long r = begin; r < end; r++) {
        float *restrict row = out + r * width;
        for (long c = 0; c < width; c++)
            row[c] = constants[r * stride + c];
        for (long k = 0; k < count; k++) {
            const float *restrict seen = context + (r + k * dilation) * width;
            const float *restrict tap = taps + k * width;
            for (long c = 0; c < width; c++)
                row[c] += seen[c] * tap[c];
        }
        ACTIVATE(row, width, slope, sums)
    }
}

#define SHARE 16 /* rows that a thread takes at a time */

void activate(float *rows, long count, long width, float slope, double *sums) {
    double first = 0, second = 0;
#pragma omp parallel for reduction(+ : first, second) schedule(static)
    for (long at = 0; at < count; at += SHARE) {
        double part[2] = {0, 0};
        activate_rows(rows, at, at + SHARE < count ? at + SHARE : count, width, slope, part);
        first += part[0];
        second += part[1];
    }
    sums[0] = first;
    sums[1] = second;
}

void convolve(const float *context, long count, long width, const float *taps, long number,
              long dilation, const float *constants, long stride, float slope, float *out,
              double *sums) {
    double first = 0, second = 0;
#pragma omp parallel for reduction(+ : first, second) schedule(static)
    for (long at = 0; at < count; at += SHARE) {
        double part[2] = {0, 0};
        convolve_rows(context, at, at + SHARE < count ? at + SHARE : count, width, taps, number,
                      dilation, constants, stride, slope, out, part);
        first += part[0];
        second += part[1];
    }
    sums[0] = first;
    sums[1] = second;
}
