// A volume above 100 %. Fetched when somebody wants that.

// Up to here a limited sample is itself; from here to twice full scale it is bent towards 1.
const KNEE = 0.8;
const CURVE_POINTS = 4097;

/**
 * Keeps within full scale what a volume above 100 % makes louder. It adds no delay.
 * @param {AudioContext} context
 */
export function limiter(context) {
	const input = context.createGain();
	input.gain.value = 0.5;
	const output = context.createWaveShaper();
	output.curve = Float32Array.from({length: CURVE_POINTS}, (_, n) => {
		const sample = (n / (CURVE_POINTS - 1)) * 4 - 2;
		const size = Math.abs(sample);
		const bent = KNEE + (1 - KNEE) * Math.tanh((size - KNEE) / (1 - KNEE));
		return size <= KNEE ? sample : Math.sign(sample) * bent;
	});
	input.connect(output);
	return {input, output};
}
