/* Draw spike trains in continuous time.
 *
 * A cell is a two-state process: quiescent (0) or active (1) for exponentially distributed times, with Poisson spikes
 * in each state, and silent for a refractory time after each spike. Its draws come one after the other from the
 * cell's own counter, so a longer recording extends a shorter one, and the frame rate has no part in it.
 *
 * The stationary process is the same forwards and backwards in time. So the past is walked backwards from 0, from a
 * counter of its own: how much of it is asked for changes no spike of the recording. (With dead times that is so to
 * first order in their length over a bout's.)
 *
 * Units are s and Hz. Arrays of cells: keys and past_keys (cells,), hazards_hz and ready (cells, 2) for the two states.
 */
#include "common.h"
#include "elementary.h"
#include "random.h"

typedef struct {
    f64 hazard_hz[2]; /* of a spike while not refractory */
    f64 ready[2];     /* share of all time in this state and not refractory */
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
    const f64 *hazard_hz = process->hazard_hz;
    const f64 *ready = process->ready;
    const f64 *leave_hz = process->leave_hz;
    f64 of_state = uniform_next(&key);
    f64 of_age = uniform_next(&past_key);
    f64 spikes_hz[2] = {hazard_hz[0] * ready[0], hazard_hz[1] * ready[1]};
    f64 mean_hz = spikes_hz[0] + spikes_hz[1];
    f64 ready_s = process->refractory_s;
    bool active;
    if (of_age < mean_hz * process->refractory_s) {
        /* The last spike lies uniformly within the dead time. Since then the chance of the active state has relaxed
         * from its share of the spikes towards its share of the time, leave_hz[0] / both_hz. */
        f64 age_s = of_age / mean_hz;
        f64 both_hz = leave_hz[0] + leave_hz[1];
        f64 kept = exp_(-both_hz * age_s);
        active = of_state * mean_hz <= spikes_hz[1] * kept + mean_hz * (1 - kept) * leave_hz[0] / both_hz;
        put(past, age_s);
        ready_s += age_s;
    } else {
        active = of_state * (ready[0] + ready[1]) <= ready[1];
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
        i64 cells, const u64 *keys, const u64 *past_keys, const f64 *hazards_hz, const f64 *ready,
        f64 leave_quiescent_hz, f64 leave_active_hz, f64 refractory_s, f64 memory_s, f64 end_s, const i64 *age_start,
        const i64 *time_start, f64 *ages_s, f64 *times_s, i64 *n_ages, i64 *n_times) {
    for (i64 i = 0; i < cells; i++) {
        Process process = {
                .hazard_hz = {hazards_hz[2 * i], hazards_hz[2 * i + 1]},
                .ready = {ready[2 * i], ready[2 * i + 1]},
                .leave_hz = {leave_quiescent_hz, leave_active_hz},
                .refractory_s = refractory_s,
        };
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
