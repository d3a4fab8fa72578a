// The panel of what one person wants to hear. Fetched when it is opened, and where something of it was kept.

import {CONTROLS, NONE, understood} from './ear.js';

/** @typedef {keyof Page.Hearing} Name */

const names = /** @type {Name[]} */ (Object.keys(CONTROLS));

/** @param {Name} name */
function row(name) {
	const {label, says, least, most, step} = CONTROLS[name];
	return step
		? `<div class="row">
			<label for="ear-${name}">${label}</label>
			<input id="ear-${name}" type="range" min="${least}" max="${most}" step="${step}">
			<output for="ear-${name}"></output>
		</div>`
		: `<div class="row check">
			<label><input id="ear-${name}" type="checkbox"> <span>${label}: ${says}</span></label>
		</div>`;
}

/** @param {number} value */
const signed = (value) => `${value > 0 ? '+' : ''}${value} dB`.replace('-', '−');

/** @param {number} value */
function side(value) {
	if (value === 0) return 'even';
	return `${Math.abs(value)} % ${value < 0 ? 'left' : 'right'}`;
}

/**
 * Fills the panel with what was `kept`; `wish` is told what is moved.
 * @param {HTMLElement} panel
 * @param {unknown} kept
 * @param {(hearing: Page.Hearing) => void} wish
 */
export function showEars(panel, kept, wish) {
	let hearing = understood(kept);
	const form = document.createElement('form');
	form.autocomplete = 'off';
	form.innerHTML = `${names.map(row).join('')}
		<div class="row"><button type="button" id="ear-off">Sound as it comes</button></div>`;
	panel.append(form);
	/** @param {Name} name */
	const input = (name) => /** @type {HTMLInputElement} */ (form.querySelector(`#ear-${name}`));
	const show = () => {
		for (const name of names) {
			const value = hearing[name];
			const control = input(name);
			if (typeof value === 'boolean') {
				control.checked = value;
				continue;
			}
			control.value = String(value);
			const text = name === 'balance' ? side(value) : signed(value);
			control.setAttribute('aria-valuetext', text);
			const output = control.nextElementSibling;
			if (output) output.textContent = text;
		}
	};
	/** @param {Page.Hearing} to */
	const become = (to) => {
		hearing = to;
		show();
		wish(hearing);
	};
	for (const name of names) {
		const control = input(name);
		control.addEventListener('input', () => {
			const value = CONTROLS[name].step ? Number(control.value) : control.checked;
			become(understood({...hearing, [name]: value}));
		});
	}
	form.querySelector('#ear-off')?.addEventListener('click', () => become({...NONE}));
	form.addEventListener('submit', (event) => event.preventDefault());
	show();
}
