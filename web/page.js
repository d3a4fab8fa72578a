// What the page is made of, for whoever shows something on it, and what it remembers.

/** An element of the page, by its id. */
export const $ = (id) => document.getElementById(id);

/** Screen readers and the browser's layout hear only of what changes. */
export function setText(element, text) {
	if (element.textContent !== text) element.textContent = text;
}

/** What is remembered from visit to visit; nothing where the browser keeps nothing. */
export const memory = {
	get(key, otherwise) {
		try {
			return JSON.parse(localStorage.getItem(`auralync.${key}`)) ?? otherwise;
		} catch {
			return otherwise;
		}
	},
	set(key, value) {
		try {
			localStorage.setItem(`auralync.${key}`, JSON.stringify(value));
		} catch {
			/* then it holds for this visit */
		}
	},
};
