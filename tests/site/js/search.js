export const find = (index, word) => Object.keys(index).filter((page) => index[page].includes(word));
