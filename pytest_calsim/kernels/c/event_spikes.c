/* Spikes that events add to cells, and which of them a cell's dead times leave.
 *
 * Times are in s from the recording's start, those before it negative. Spikes of all cells stand one after the other:
 * cell i's from start[i] on.
 */
#include "common.h"
#include "elementary.h"
#include "random.h"

/* From the name of one event to that of the next. */
#define BETWEEN_EVENTS 0xD1342543DE82EF95u

/* Draw the spikes that each cell adds in each event, and count them.
 *
 * A cell takes part in an event with one chance for all. Then it spikes at its rate for the event's duration, with dead
 * times, in equilibrium from the event's begin.
 *
 * keys                     name of each cell's stream (cells,)
 * rates_hz, hazards_hz     of each cell within an event: long-run, and outside dead times (cells,)
 * number, begin_s          name and begin of each event (events,)
 * start                    where cell i's spikes go, as far as the next cell's (cells + 1,)
 * times_s                  written, event after event
 * counts                   how many there are, whatever there is room for (cells,)
 */
KERNEL(void, draw_event_spikes)(
        i64 cells, const u64 *keys, const f64 *rates_hz, const f64 *hazards_hz, i64 events, const i64 *number,
        const f64 *begin_s, f64 participation, f64 lasts_s, f64 refractory_s, const i64 *start, f64 *times_s,
        i64 *counts) {
    for (i64 i = 0; i < cells; i++) {
        i64 n = 0;
        i64 room = start[i + 1] - start[i];
        for (i64 e = 0; e < events; e++) {
            u64 counter = mix(keys[i] + (u64)number[e] * BETWEEN_EVENTS);
            if (uniform_next(&counter) > participation || hazards_hz[i] <= 0) continue;
            /* A spike shortly before the event's begin may hold up the first one. */
            f64 age = uniform_next(&counter);
            f64 now_s = age < rates_hz[i] * refractory_s ? refractory_s - age / rates_hz[i] : 0.0;
            for (;;) {
                now_s -= log_(uniform_next(&counter)) / hazards_hz[i];
                if (now_s >= lasts_s) break;
                if (n < room) times_s[start[i] + n] = begin_s[e] + now_s;
                n++;
                now_s += refractory_s;
            }
        }
        counts[i] = n;
    }
}

/* Say which spikes remain where those of a cell's own keep others away. An added one remains unless a spike that
 * remains came less than a dead time earlier, or one of the cell's own comes less than that later.
 *
 * start      (cells + 1,)
 * times_s    ascending within a cell (spikes,)
 * is_own     (spikes,)
 * remains    written (spikes,)
 */
KERNEL(void, keep_spikes_apart)(
        i64 cells, const i64 *start, const f64 *times_s, const bool *is_own, f64 refractory_s, bool *remains) {
    for (i64 i = 0; i < cells; i++) {
        f64 last_s = -INFINITY;
        i64 next = start[i];
        for (i64 k = start[i]; k < start[i + 1]; k++) {
            for (next = MAX(next, k); next < start[i + 1] && !is_own[next];) next++;
            bool is_late = next == start[i + 1] || times_s[next] - times_s[k] >= refractory_s;
            remains[k] = is_own[k] || (times_s[k] - last_s >= refractory_s && is_late);
            if (remains[k]) last_s = times_s[k];
        }
    }
}
