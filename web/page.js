// What the page is made of, for whoever shows something on it, and what it remembers.

/**
 * An element of the page, by its id.
 * @template {keyof Page.Elements} Id
 * @param {Id} id
 */
export const $ = (id) => document.getElementById(id);

/**
 * Screen readers and the browser's layout hear only of what changes.
 * @param {Element} element
 * @param {string} text
 */
export function setText(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

/** What is remembered from visit to visit; nothing where the browser keeps nothing. */
export const memory = {
	/** @param {string} key @param {unknown} [otherwise] @returns {unknown} anything that a page of any version has kept */
	get(key, otherwise) {
		try {
			return JSON.parse(localStorage.getItem(`auralync.${key}`) ?? 'null') ?? otherwise;
		} catch {
			return otherwise;
		}
	},
	/** @param {string} key @param {unknown} value */
	set(key, value) {
		try {
			localStorage.setItem(`auralync.${key}`, JSON.stringify(value));
		} catch {
			/* then it holds for this visit */
		}
	},
};
