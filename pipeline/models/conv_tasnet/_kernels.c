/* What torch does in several passes over a tile, in one. Called by kernels.py.

   Signals are [rows, width] floats that lie side by side. Each function works on a range of rows;
   the threads are those of torch, whose OpenMP library is the one that is loaded already. */

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define EVERY_CPU __attribute__((target_clones("default", "avx2", "avx512f")))
#else
#define EVERY_CPU
#endif

/* Row by row: the value of each channel c, PReLU of it, and the sums of that and of its squares,
   which are added to sums[2]. */
#define ACTIVATED(row, width, slope, sums, value_of_c)      \
    {                                                       \
        float first = 0, second = 0;                        \
        _Pragma("omp simd reduction(+ : first, second)")    \
        for (long c = 0; c < (width); c++) {                \
            float value = (value_of_c);                     \
            value = value > 0 ? value : (slope) * value;    \
            (row)[c] = value;                               \
            first += value;                                 \
            second += value * value;                        \
        }                                                   \
        (sums)[0] += first;                                 \
        (sums)[1] += second;                                \
    }

EVERY_CPU static void activate_rows(float *rows, long begin, long end, long width,
                                    const float *bias, float slope, double *sums) {
    for (long r = begin; r < end; r++) {
        float *row = rows + r * width;
        ACTIVATED(row, width, slope, sums, row[c] + bias[c])
    }
}

/* Tap k looks at the row k * dilation below. Of three taps, the usual number, sums stay in
   registers. */
EVERY_CPU static void convolve_rows(const float *restrict context, long begin, long end, long width,
                                    const float *restrict taps, long count, long dilation,
                                    const float *restrict constant, float slope,
                                    float *restrict out, double *sums) {
    const long step = dilation * width;
    for (long r = begin; r < end; r++) {
        const float *restrict seen = context + r * width;
        float *restrict row = out + r * width;
        if (count == 3) {
            ACTIVATED(row, width, slope, sums,
                      constant[c] + seen[c] * taps[c] + seen[step + c] * taps[width + c] +
                          seen[2 * step + c] * taps[2 * width + c])
            continue;
        }
        for (long c = 0; c < width; c++)
            row[c] = constant[c];
        for (long k = 0; k < count; k++)
            for (long c = 0; c < width; c++)
                row[c] += seen[k * step + c] * taps[k * width + c];
        ACTIVATED(row, width, slope, sums, row[c])
    }
}

/* To be raised, with VERSION in kernels.py, whenever arguments change. */
int version(void) {
    return 2;
}

#define SHARE 16 /* rows that a thread takes at a time */

void activate(float *rows, long count, long width, const float *bias, float slope, double *sums) {
    double first = 0, second = 0;
#pragma omp parallel for reduction(+ : first, second) schedule(static)
    for (long at = 0; at < count; at += SHARE) {
        double part[2] = {0, 0};
        activate_rows(rows, at, at + SHARE < count ? at + SHARE : count, width, bias, slope, part);
        first += part[0];
        second += part[1];
    }
    sums[0] = first;
    sums[1] = second;
}

void convolve(const float *context, long count, long width, const float *taps, long number,
              long dilation, const float *constant, float slope, float *out, double *sums) {
    double first = 0, second = 0;
#pragma omp parallel for reduction(+ : first, second) schedule(static)
    for (long at = 0; at < count; at += SHARE) {
        double part[2] = {0, 0};
        convolve_rows(context, at, at + SHARE < count ? at + SHARE : count, width, taps, number,
                      dilation, constant, slope, out, part);
        first += part[0];
        second += part[1];
    }
    sums[0] = first;
    sums[1] = second;
}
