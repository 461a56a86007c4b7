/* Integrate the calcium of spike trains over exposures, and turn it into fluorescence.
 *
 * A spike's transient is unit * (exp(-t/decay) - exp(-t/rise)), with a peak of 1. Two numbers hold all that earlier
 * spikes left: the sums of their slow and of their fast exponentials. They pass from frame to frame, so a recording
 * can be computed in blocks of frames, with the same bits as at once.
 *
 * Without saturation the integral of the transients over a frame is exact. With it, Hill's curve is averaged over the
 * middles of substeps. Fluorescence is in units of a lone spike's peak; times are in s.
 */
#include "common.h"
#include "elementary.h"
#include "random.h"

/* What is left of a transient when it counts as none. Multiplied on, it would stay a denormal, and slow, for ever. */
#define FORGOTTEN 1e-12

typedef struct {
    f64 frame_s;
    f64 rise_s;
    f64 decay_s;
    i64 substeps;                         /* of a frame, where there is saturation */
    f64 kd, exponent, rest, bound, scale; /* Hill's curve; see respond */
    f64 unit;                             /* 1 over the peak of the bare difference of exponentials */
    f64 step_s;                           /* a frame, or half a substep */
    f64 slow_left, fast_left;             /* of each exponential after a step */
} Response;

typedef struct {
    f64 slow;
    f64 fast;
    i64 next; /* which spike comes next */
} State;

/* The response of a cell whose transients last time_scale times as long; its substeps do, too. */
static Response make_response(
        f64 frame_s, f64 rise_s, f64 decay_s, i64 substeps, f64 kd, f64 exponent, f64 rest, f64 bound, f64 scale,
        f64 time_scale) {
    rise_s *= time_scale;
    decay_s *= time_scale;
    substeps = MAX((i64)ceil((f64)substeps / time_scale), 1);
    f64 ratio = rise_s / decay_s;
    f64 peak = pow_(ratio, ratio / (1 - ratio)) - pow_(ratio, 1 / (1 - ratio));
    f64 step_s = kd == 0 ? frame_s : frame_s / (2.0 * (f64)substeps);
    return (Response){frame_s, rise_s, decay_s, substeps, kd, exponent, rest, bound, scale, 1.0 / peak, step_s,
                      exp_(-step_s / decay_s), exp_(-step_s / rise_s)};
}

/* Let the exponentials decay for a step. */
static inline void fade(const Response *r, State *state) {
    state->slow *= r->slow_left;
    state->fast *= r->fast_left;
    if (state->slow < FORGOTTEN) state->slow = state->fast = 0.0;
}

/* Fluorescence with calcium x: Hill's curve, 1/(1 + (kd/c)^exponent), above its value `bound` at rest. */
static inline f64 respond(const Response *r, f64 x) {
    return (1.0 / (1.0 + pow_(r->kd / (r->rest + MAX(x, 0.0)), r->exponent)) - r->bound) * r->scale;
}

/* Return the mean response over one frame, and advance the state to its end.
 *
 * The integral of an exponential from t to t + T is decay * (what is left at t - what is left at t + T).
 */
static inline f64 expose_linear(const Response *r, const f64 *times_s, i64 n, i64 frame, State *state) {
    f64 area = state->slow * (r->decay_s * (1 - r->slow_left)) - state->fast * (r->rise_s * (1 - r->fast_left));
    fade(r, state);
    f64 end_s = (f64)(frame + 1) * r->frame_s;
    for (; state->next < n && times_s[state->next] < end_s; state->next++) {
        f64 left_s = end_s - times_s[state->next];
        f64 slow = exp_(-left_s / r->decay_s);
        f64 fast = exp_(-left_s / r->rise_s);
        area += r->decay_s * (1 - slow) - r->rise_s * (1 - fast);
        state->slow += slow;
        state->fast += fast;
    }
    return r->unit * area / r->frame_s;
}

static inline f64 expose_saturated(const Response *r, const f64 *times_s, i64 n, i64 frame, State *state) {
    f64 start_s = (f64)frame * r->frame_s;
    f64 sum = 0.0;
    for (i64 half = 1; half <= 2 * r->substeps; half++) {
        fade(r, state);
        f64 end_s = half < 2 * r->substeps ? start_s + (f64)half * r->step_s : (f64)(frame + 1) * r->frame_s;
        for (; state->next < n && times_s[state->next] < end_s; state->next++) {
            f64 left_s = end_s - times_s[state->next];
            state->slow += exp_(-left_s / r->decay_s);
            state->fast += exp_(-left_s / r->rise_s);
        }
        if (half % 2 == 1 && state->slow > 0) sum += respond(r, r->unit * (state->slow - state->fast));
    }
    return sum / (f64)r->substeps;
}

static inline f64 expose_frame(const Response *r, const f64 *times_s, i64 n, i64 frame, State *state) {
    return r->kd == 0 ? expose_linear(r, times_s, n, frame, state) : expose_saturated(r, times_s, n, frame, state);
}

/* Sum the exponentials that spikes before 0 left at 0.
 *
 * Cell i's spikes were ages_s[start[i]] to ages_s[start[i + 1] - 1] before 0. Its time constants are time_scale[i]
 * times rise_s and decay_s.
 */
KERNEL(void, calcium_at_start)(
        i64 cells, const i64 *start, const f64 *ages_s, f64 rise_s, f64 decay_s, const f64 *time_scale, f64 *slow,
        f64 *fast) {
    for (i64 i = 0; i < cells; i++) {
        f64 decay = decay_s * time_scale[i];
        f64 rise = rise_s * time_scale[i];
        slow[i] = fast[i] = 0.0;
        for (i64 k = start[i]; k < start[i + 1]; k++) {
            slow[i] += exp_(-ages_s[k] / decay);
            fast[i] += exp_(-ages_s[k] / rise);
        }
    }
}

/* Give each cell's fluorescence in a block of frames, and how many spikes fall into each.
 *
 * frame f                  lasts from f * frame_s to (f + 1) * frame_s
 * start, times_s           cell i's spikes are times_s[start[i]] to times_s[start[i + 1] - 1], ascending
 * slow, fast, next         the state of each cell at first_frame; becomes that after the block (cells,)
 * time_scale               of each cell: its time constants over rise_s and decay_s
 * offset, gain             of each cell: fluorescence is offset + gain * mean response
 * fluorescence, spikes     (cells, frames)
 */
KERNEL(void, integrate_calcium)(
        i64 cells, i64 frames, i64 first_frame, f64 frame_s, f64 rise_s, f64 decay_s, i64 substeps, f64 kd,
        f64 exponent, f64 rest, f64 bound, f64 scale, const i64 *start, const f64 *times_s, const f64 *time_scale,
        const f64 *offset, const f64 *gain, f64 *slow, f64 *fast, i64 *next, f32 *fluorescence, u16 *spikes) {
    for (i64 i = 0; i < cells; i++) {
        Response r = make_response(
                frame_s, rise_s, decay_s, substeps, kd, exponent, rest, bound, scale, time_scale[i]);
        State state = {slow[i], fast[i], next[i]};
        i64 n = start[i + 1] - start[i];
        for (i64 f = 0; f < frames; f++) {
            i64 earlier = state.next;
            f64 mean = expose_frame(&r, times_s + start[i], n, first_frame + f, &state);
            fluorescence[i * frames + f] = (f32)(offset[i] + gain[i] * mean);
            spikes[i * frames + f] = (u16)(state.next - earlier);
        }
        slow[i] = state.slow;
        fast[i] = state.fast;
        next[i] = state.next;
    }
}

/* Bouts are cut here, and so are the tails behind them. */
#define MAX_BOUT_S 10.0
/* At the highest rate, 500 Hz, a bout has 5000 spikes: so many never come. */
#define MAX_BOUT_SPIKES 8192
/* From the counter of one bout to that of the next. */
#define BETWEEN_BOUTS 0xBF58476D1CE4E5B9u

/* Draw lone active bouts with at least one spike, and measure the transients that they give.
 *
 * Seen from its first spike, such a bout has an exponentially distributed rest, as long as a whole bout. Frames start
 * at a uniform phase. A bout's draws are the same at every rate, so what is measured is smooth in the rate.
 *
 * peaks        peak response (bouts,)
 * energies     sum over frames of (response / peak)^2 (bouts,)
 */
KERNEL(void, bout_transients)(
        i64 bouts, u64 key, f64 hazard_hz, f64 leave_hz, f64 refractory_s, f64 frame_s, f64 rise_s, f64 decay_s,
        i64 substeps, f64 kd, f64 exponent, f64 rest, f64 bound, f64 scale, f64 *peaks, f64 *energies) {
    Response r = make_response(frame_s, rise_s, decay_s, substeps, kd, exponent, rest, bound, scale, 1.0);
    f64 time_to_peak_s = rise_s * decay_s / (decay_s - rise_s) * log_(decay_s / rise_s);
    f64 tail_s = time_to_peak_s + MIN(4 * decay_s, MAX_BOUT_S);
    f64 times_s[MAX_BOUT_SPIKES];
    for (i64 b = 0; b < bouts; b++) {
        u64 counter = key + (u64)b * BETWEEN_BOUTS;
        f64 now_s = uniform_next(&counter) * frame_s;
        f64 lasts_s = -log_(uniform_next(&counter)) / leave_hz;
        f64 end_s = now_s + MIN(lasts_s, MAX_BOUT_S);
        i64 n = 0;
        do {
            times_s[n++] = now_s;
            now_s += refractory_s - log_(uniform_next(&counter)) / hazard_hz;
        } while (now_s < end_s && n < MAX_BOUT_SPIKES);
        State state = {0.0, 0.0, 0};
        f32 peak = 0.0f;
        f64 energy = 0.0;
        f64 stop_s = times_s[n - 1] + tail_s;
        for (i64 f = 0; (f64)f < stop_s / frame_s; f++) {
            f32 value = (f32)expose_frame(&r, times_s, n, f, &state);
            peak = MAX(peak, value);
            energy += (f64)(value * value);
        }
        peaks[b] = (f64)peak;
        energies[b] = energy / ((f64)peak * (f64)peak);
    }
}
