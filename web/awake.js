// Keeps the screen on while this device listens: many phones silence a page with their screen. Only secure pages may.

/** @type {WakeLockSentinel | null} */
let lock = null;
let isWanted = false;

/**
 * Whether the screen is to stay on.
 * @param {boolean} isOn
 */
export async function stayAwake(isOn) {
	isWanted = isOn;
	if (!isOn) {
		lock?.release();
		lock = null;
		return;
	}
	if (!navigator.wakeLock || document.hidden || (lock && !lock.released)) return;
	try {
		const held = await navigator.wakeLock.request('screen');
		lock = held;
		if (!isWanted) stayAwake(false);
	} catch {
		/* a battery that is nearly empty: it listens all the same */
	}
}

// A page that was hidden has lost it.
document.addEventListener('visibilitychange', () => {
	if (isWanted) stayAwake(true);
});
