/* Draw spike trains in continuous time.
 *
 * A cell is a two-state process: quiescent (0) or active (1) for exponentially distributed times, with Poisson spikes
 * in each state, and silent for a refractory time after each spike. Its draws come one after the other from the
 * cell's own counter, so a longer recording extends a shorter one, and the frame rate has no part in it.
 *
 * The stationary process is the same forwards and backwards in time. So the past is walked backwards from 0, from a
 * counter of its own: how much of it is asked for changes no spike of the recording.
 *
 * Units are s and Hz. Arrays of cells: keys and past_keys (cells,), rates_hz (cells, 2) for the two states.
 */
#include "common.h"
#include "elementary.h"
#include "random.h"

typedef struct {
    f64 rate_hz[2];
    f64 hazard_hz[2]; /* of a spike while not refractory; it keeps the rate */
    f64 leave_hz[2];
    f64 refractory_s;
} Process;

/* Spikes by their distance from 0. All are counted; those for which there is room are kept. */
typedef struct {
    f64 *at_s;
    i64 room;
    i64 n;
    f64 first_s;
} Train;

static void put(Train *train, f64 at_s) {
    if (train->n == 0) train->first_s = at_s;
    if (train->n < train->room) train->at_s[train->n] = at_s;
    train->n++;
}

static f64 draw_wait_s(u64 *counter, f64 rate_hz) { return -log_(uniform_next(counter)) / rate_hz; }

/* Put the spikes from 0 to end_s into a train. None comes before ready_s. */
static void walk(const Process *process, u64 counter, bool active, f64 ready_s, f64 end_s, Train *train) {
    f64 now_s = 0.0;
    f64 switch_s = draw_wait_s(&counter, process->leave_hz[active]);
    for (;;) {
        f64 hazard_hz = process->hazard_hz[active];
        f64 spike_s = INFINITY;
        if (hazard_hz > 0) spike_s = MAX(now_s, ready_s) + draw_wait_s(&counter, hazard_hz);
        if (MIN(spike_s, switch_s) >= end_s) return;
        if (spike_s < switch_s) {
            put(train, spike_s);
            now_s = spike_s;
            ready_s = spike_s + process->refractory_s;
        } else {
            now_s = switch_s;
            active = !active;
            switch_s = now_s + draw_wait_s(&counter, process->leave_hz[active]);
        }
    }
}

/* Draw one cell's spikes: those of the past, by their age, back to memory_s, and those to come, until end_s. */
static void draw_cell(
        const Process *process, u64 key, u64 past_key, f64 memory_s, f64 end_s, Train *past, Train *future) {
    const f64 *leave_hz = process->leave_hz;
    bool active = uniform_next(&key) * (leave_hz[0] + leave_hz[1]) <= leave_hz[0];
    /* Time since the last spike, in equilibrium: with probability rate x refractory time within it, uniformly. */
    f64 draw = uniform_next(&past_key);
    f64 ready_s = process->refractory_s;
    if (draw < process->rate_hz[active] * process->refractory_s) {
        put(past, draw / process->rate_hz[active]);
        ready_s += past->first_s;
    }
    walk(process, past_key, active, ready_s, memory_s, past);
    walk(process, key, active, process->refractory_s - past->first_s, end_s, future);
}

/* Draw the spikes of all cells, and count them.
 *
 * ages_s, times_s          where cell i's go, from age_start[i] and time_start[i] on as far as the next cell's
 * age_start, time_start    (cells + 1,)
 * n_ages, n_times          how many there are, whatever there is room for (cells,)
 */
KERNEL(void, draw_spikes)(
        i64 cells, const u64 *keys, const u64 *past_keys, const f64 *rates_hz, f64 leave_quiescent_hz,
        f64 leave_active_hz, f64 refractory_s, f64 memory_s, f64 end_s, const i64 *age_start, const i64 *time_start,
        f64 *ages_s, f64 *times_s, i64 *n_ages, i64 *n_times) {
    for (i64 i = 0; i < cells; i++) {
        Process process = {.leave_hz = {leave_quiescent_hz, leave_active_hz}, .refractory_s = refractory_s};
        for (int state = 0; state < 2; state++) {
            f64 rate_hz = rates_hz[2 * i + state];
            process.rate_hz[state] = rate_hz;
            process.hazard_hz[state] = rate_hz / (1 - rate_hz * refractory_s);
        }
        Train past = {ages_s + age_start[i], age_start[i + 1] - age_start[i], 0, INFINITY};
        Train future = {times_s + time_start[i], time_start[i + 1] - time_start[i], 0, INFINITY};
        draw_cell(&process, keys[i], past_keys[i], memory_s, end_s, &past, &future);
        n_ages[i] = past.n;
        n_times[i] = future.n;
    }
}

/* Draw one standard normal number per key (Box & Muller 1958). */
KERNEL(void, standard_normals)(i64 n, const u64 *keys, f64 *normals) {
    for (i64 i = 0; i < n; i++) {
        u64 counter = keys[i];
        f64 radius = sqrt(-2.0 * log_(uniform_next(&counter)));
        normals[i] = radius * cos_(2.0 * PI * uniform_next(&counter));
    }
}
