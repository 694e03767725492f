// Anthropic's own client: text, stream, and a tool loop, each whole and streamed. Prints what it got, as JSON.
const { Anthropic } = require("@anthropic-ai/sdk");

const client = new Anthropic({ baseURL: process.env.BASE_URL, apiKey: process.env.API_KEY, maxRetries: 0 });
const body = { model: "step-3.7-flash", max_tokens: 1000 };
const input_schema = { type: "object", properties: { city: { type: "string" } }, required: ["city"] };
const tools = [{ name: "get_weather", description: "The weather.", input_schema }];

async function ask(streamed, more) {
  if (!streamed) return client.messages.create({ ...body, ...more });
  return client.messages.stream({ ...body, ...more }).finalMessage();
}

const words = (message) => message.content.filter((block) => block.type === "text").map((block) => block.text).join("");

async function main() {
  const got = [];
  for (const streamed of [false, true]) {
    const text = await ask(streamed, { messages: [{ role: "user", content: "Hello" }] });
    const messages = [{ role: "user", content: "What is the weather in Paris?" }];
    const asked = await ask(streamed, { messages, tools });
    const call = asked.content.find((block) => block.type === "tool_use");
    const result = { type: "tool_result", tool_use_id: call.id, content: `sunny in ${call.input.city}` };
    const turns = [{ role: "assistant", content: asked.content }, { role: "user", content: [result] }];
    const answered = await ask(streamed, { messages: [...messages, ...turns], tools });
    got.push({
      text: words(text),
      tokens: text.usage.output_tokens,
      finish: asked.stop_reason,
      answer: words(answered),
    });
  }
  console.log(JSON.stringify(got));
}

main();
