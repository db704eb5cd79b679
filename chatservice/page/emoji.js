// A small set of emoji with their usual names: enough to react and to complete `:name`.

const TABLE = `
👍 thumbsup yes +1|👎 thumbsdown no -1|❤️ heart love|😂 joy laugh|😊 smile happy|😀 grinning|😅 sweat_smile
😉 wink|😍 heart_eyes|😘 kiss|😎 sunglasses cool|🤔 thinking|😐 neutral|🙄 eyeroll|😏 smirk|😢 cry sad
😭 sob|😡 rage angry|😱 scream|😴 sleeping|🤯 mind_blown|🥳 party_face|🤗 hug|🙈 see_no_evil monkey
😇 innocent|🤷 shrug|🤦 facepalm|😬 grimace|🥺 pleading|😋 yum|🤒 sick|👋 wave hello|👏 clap bravo
🙏 pray thanks please|💪 muscle strong|👀 eyes look|✌️ peace|🤝 handshake deal|🤞 fingers_crossed luck
👌 ok_hand|☝️ point_up|🙌 raised_hands|🎉 tada party|🎂 cake birthday|🎁 gift|🏆 trophy|⭐ star|✨ sparkles
🔥 fire hot|💯 hundred|💡 idea bulb|💥 boom|💤 zzz|💔 broken_heart|💚 green_heart|💙 blue_heart|💜 purple_heart
✅ check done|❌ x cross wrong|❗ exclamation|❓ question|⚠️ warning|🚧 construction|🚨 alarm|🐛 bug|🔧 wrench fix
🔨 hammer|⚙️ gear|🔍 search|🔒 lock|🔑 key|📌 pushpin pin|📎 paperclip|📝 memo note|📚 books|📖 book read
📅 calendar|⏰ alarm_clock|⌛ hourglass wait|📷 camera|🎵 music note|🎮 game|💻 laptop computer|📱 phone
🖨️ printer|📧 email|🔗 link|📈 chart up|📉 chart_down|🧪 test_tube lab|🔬 microscope|🔭 telescope|🧮 abacus math
🧠 brain|🚀 rocket ship|🚲 bike|🚌 bus|🚂 train|✈️ plane|🏠 house home|🏫 school|☕ coffee|🍵 tea|🍕 pizza
🍎 apple|🍌 banana|🍰 dessert|🍪 cookie|🍺 beer|🥕 carrot|🌱 seedling|🌳 tree|🌻 sunflower|🌈 rainbow|☀️ sun
🌙 moon|⛅ cloud|🌧️ rain|❄️ snow|🌊 wave_sea|🐱 cat|🐶 dog|🐭 mouse|🐰 rabbit|🦊 fox|🐻 bear|🐼 panda|🐸 frog
🐝 bee|🦋 butterfly|🐢 turtle|🐙 octopus|🐳 whale|🦉 owl|🐧 penguin|⚽ soccer ball|🏀 basketball|🎨 art paint
➕ plus|➖ minus|🆗 ok|🔴 red|🟢 green|🟡 yellow|🔵 blue`;

// Each as {emoji, names}.
export const EMOJI = TABLE.trim().split(/[|\n]/).map((item) => {
  const [emoji, ...names] = item.trim().split(' ');
  return {emoji, names};
});

export const QUICK = ['👍', '❤️', '😂', '🎉', '👀', '✅'];

export function findEmoji(word) {
  const wanted = word.toLowerCase();
  const rank = ({names}) => (names[0].startsWith(wanted) ? 0 : 1);
  return EMOJI.filter(({names}) => names.some((name) => name.includes(wanted)))
    .sort((a, b) => rank(a) - rank(b));
}
